"""Ad hoc probes: the outcome is published to the caller and not stored."""

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

FOREIGN_SECRET = sealing.PREFIX + "A" * 40


@pytest.fixture
async def context(queue):
    sealing.prepare(queue)
    made = await probes.open_probe_context(queue)
    yield made
    await made.close()


async def run_ad_hoc(context, **changes) -> CheckOutcome:
    sealed = sealing.encrypt_secrets(Tcp(host="127.0.0.1", port=9))
    job = AdHocProbe(**{"type": "tcp", "encrypted_target": sealed, "timeout_ms": 2_000, "token": "t", **changes})
    await ad_hoc.run(job, context)
    return msgspec.json.decode(await queue.wait_for_reply("t", 1) or b"", type=CheckOutcome)


async def test_results_are_published_to_the_caller(context):
    outcome = await run_ad_hoc(context)
    assert (outcome.status, outcome.message) == (Status.DOWN, "connection refused")


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "telepathy"},
        {"encrypted_target": '{"type":"tcp","host":"a"}'},
        {"proxy": f'{{"protocol":"http","host":"a","port":1,"password":"{FOREIGN_SECRET}"}}'},
        {"type": "redis", "encrypted_target": f'{{"type":"redis","host":"a","password":"{FOREIGN_SECRET}"}}'},
    ],
)
async def test_a_job_the_worker_cannot_decode_is_unknown(context, changes):
    outcome = await run_ad_hoc(context, **changes)
    assert outcome.status is Status.UNKNOWN
    assert outcome.message.startswith("this worker can't read it")


async def test_an_ad_hoc_probe_uses_the_proxy_of_its_job(context, microsocks):
    proxy = ProxyConfig(
        protocol=ProxyProtocol.SOCKS5, host="127.0.0.1", port=microsocks, username="ann", password="sesame"
    )
    async with serving(answering()) as target:
        target_config = Http(url=target.url(), proxy_id="some")
        changes = {"type": "http", "encrypted_target": sealing.encrypt_secrets(target_config)}
        through = await run_ad_hoc(context, **changes, proxy=sealing.encrypt_secrets(proxy))
        without = await run_ad_hoc(context, **changes)
    assert (through.status, len(target.heads)) == (Status.UP, 1)
    assert (without.status, without.message) == (Status.UNKNOWN, "the proxy of this monitor is gone")


async def test_an_unread_reply_expires(context):
    await ad_hoc.run(AdHocProbe("tcp", sealing.encrypt_secrets(Tcp(host="127.0.0.1", port=9)), 2_000, "left"), context)
    assert 0 < await queue.client().ttl("wk:reply:left") <= ad_hoc.REPLY_TTL_S
