"""How a host is pinged."""

import subprocess
import sys

import pytest

from actors.probes.ping import NOT_PERMITTED
from schema.messages import ANSWERED
from schema.status import Status
from schema.targets import Ping

WITHOUT_RIGHTS = """
import asyncio, os
from types import SimpleNamespace
from actors.probes import open_tools, outcome_of
from actors.probes import ping
from schema.targets import Ping
from tests import make

async def main():
    tools = await open_tools(SimpleNamespace(check_concurrency=1))
    if os.getuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    print((await outcome_of(make.slot(), make.snapshot(Ping(host="127.0.0.1")), tools)).message)
    await tools.close()

asyncio.run(main())
"""


@pytest.mark.parametrize(("host", "size"), [("127.0.0.1", 56), ("::1", 56), ("localhost", 0), ("127.0.0.1", 40_000)])
async def test_a_host_that_answers_is_up_where_we_may_ask(check, host, size):
    outcome = await check(Ping(host=host, packet_size=size), detailed=True)
    if outcome.message == NOT_PERMITTED:
        assert outcome.seen is Status.UNKNOWN
    else:
        assert (outcome.seen, outcome.code, outcome.detail["lost"]) == (Status.UP, ANSWERED, 0)


async def test_nobody_pings_metadata_or_everybody(check):
    for host in ("169.254.169.254", "224.0.0.1", "255.255.255.255"):
        outcome = await check(Ping(host=host))
        assert outcome.seen is Status.UNKNOWN
        assert outcome.message.endswith("refused")


def test_a_worker_that_may_not_ping_says_what_to_do():
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_RIGHTS], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.strip() in {NOT_PERMITTED, ""}  # nothing where the kernel lets everybody ping
