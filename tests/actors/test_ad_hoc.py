"""Probes that are kept nowhere: the outcome is where somebody waits for it, whatever the job is like."""

import msgspec
import pytest

from actors import ad_hoc, probes
from app import queue
from app.security.secrets import sealing
from schema.jobs import AdHocProbe, CheckOutcome
from schema.proxies import ProxyConfig, ProxyProtocol
from schema.status import Status
from schema.targets import Http, Tcp
from tests.actors.probes.servers_proxies import microsocks
from tests.actors.probes.target import answering, serving

__all__ = ["microsocks"]

SEALED_ELSEWHERE = sealing.PREFIX + "A" * 40


@pytest.fixture
async def tools(queue):
    sealing.prepare(queue)
    made = await probes.open_probe_context(queue)
    yield made
    await made.close()


async def answered(tools, **changes) -> CheckOutcome:
    sealed = sealing.encrypt_secrets(Tcp(host="127.0.0.1", port=9))
    job = AdHocProbe(**{"type": "tcp", "encrypted_target": sealed, "timeout_ms": 2_000, "token": "t", **changes})
    await ad_hoc.run(job, tools)
    return msgspec.json.decode(await queue.wait_for_reply("t", 1) or b"", type=CheckOutcome)


async def test_what_was_seen_is_told_to_whoever_waits(tools):
    outcome = await answered(tools)
    assert (outcome.status, outcome.message) == (Status.DOWN, "connection refused")


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "telepathy"},
        {"encrypted_target": '{"type":"tcp","host":"a"}'},
        {"proxy": f'{{"protocol":"http","host":"a","port":1,"password":"{SEALED_ELSEWHERE}"}}'},
        {"type": "redis", "encrypted_target": f'{{"type":"redis","host":"a","password":"{SEALED_ELSEWHERE}"}}'},
    ],
)
async def test_what_a_worker_can_not_read_is_unknown(tools, changes):
    outcome = await answered(tools, **changes)
    assert outcome.status is Status.UNKNOWN
    assert outcome.message.startswith("this worker can't read it")


async def test_it_goes_through_the_proxy_that_came_along(tools, microsocks):
    proxy = ProxyConfig(
        protocol=ProxyProtocol.SOCKS5, host="127.0.0.1", port=microsocks, username="ann", password="sesame"
    )
    async with serving(answering()) as target:
        seen = Http(url=target.url(), proxy_id="some")
        changes = {"type": "http", "encrypted_target": sealing.encrypt_secrets(seen)}
        through = await answered(tools, **changes, proxy=sealing.encrypt_secrets(proxy))
        without = await answered(tools, **changes)
    assert (through.status, len(target.heads)) == (Status.UP, 1)
    assert (without.status, without.message) == (Status.UNKNOWN, "the proxy of this monitor is gone")


async def test_an_answer_that_nobody_fetches_does_not_stay(tools):
    await ad_hoc.run(AdHocProbe("tcp", sealing.encrypt_secrets(Tcp(host="127.0.0.1", port=9)), 2_000, "left"), tools)
    assert 0 < await queue.client().ttl("wk:reply:left") <= ad_hoc.REPLY_TTL_S
