"""Probes that are kept nowhere: the outcome is where somebody waits for it, whatever the job is like."""

import msgspec
import pytest

from actors import ad_hoc, probes
from app import queue
from app.security.secrets import sealing
from schema.jobs import AdHocProbe, Outcome
from schema.proxies import Protocol, ProxyConfig
from schema.status import Status
from schema.targets import Http, Tcp
from tests.actors.probes.servers_proxies import microsocks
from tests.actors.probes.target import answering, serving

__all__ = ["microsocks"]

SEALED_ELSEWHERE = sealing.PREFIX + "A" * 40


@pytest.fixture
async def tools(queue):
    sealing.prepare(queue)
    made = await probes.open_tools(queue)
    yield made
    await made.close()


async def answered(tools, **changes) -> Outcome:
    sealed = sealing.seal(Tcp(host="127.0.0.1", port=9))
    job = AdHocProbe(**{"type": "tcp", "sealed": sealed, "timeout_ms": 2_000, "token": "t", **changes})
    await ad_hoc.answer(job, tools)
    return msgspec.json.decode(await queue.reply("t", 1) or b"", type=Outcome)


async def test_what_was_seen_is_told_to_whoever_waits(tools):
    outcome = await answered(tools)
    assert (outcome.seen, outcome.message) == (Status.DOWN, "connection refused")


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "telepathy"},
        {"sealed": '{"type":"tcp","host":"a"}'},
        {"proxy": f'{{"protocol":"http","host":"a","port":1,"password":"{SEALED_ELSEWHERE}"}}'},
        {"type": "redis", "sealed": f'{{"type":"redis","host":"a","password":"{SEALED_ELSEWHERE}"}}'},
    ],
)
async def test_what_a_worker_can_not_read_is_unknown(tools, changes):
    outcome = await answered(tools, **changes)
    assert outcome.seen is Status.UNKNOWN
    assert outcome.message.startswith("this worker can't read it")


async def test_it_goes_through_the_proxy_that_came_along(tools, microsocks):
    proxy = ProxyConfig(protocol=Protocol.SOCKS5, host="127.0.0.1", port=microsocks, username="ann", password="sesame")
    async with serving(answering()) as target:
        seen = Http(url=target.url(), proxy_id="some")
        changes = {"type": "http", "sealed": sealing.seal(seen)}
        through = await answered(tools, **changes, proxy=sealing.seal(proxy))
        without = await answered(tools, **changes)
    assert (through.seen, len(target.heads)) == (Status.UP, 1)
    assert (without.seen, without.message) == (Status.UNKNOWN, "the proxy of this monitor is gone")


async def test_an_answer_that_nobody_fetches_does_not_stay(tools):
    await ad_hoc.answer(AdHocProbe("tcp", sealing.seal(Tcp(host="127.0.0.1", port=9)), 2_000, "left"), tools)
    assert 0 < await queue.client().ttl("wk:reply:left") <= ad_hoc.KEPT_S
