"""Checks with ICMP echo requests."""

import os
import subprocess
import sys

import pytest

from actors.probes.types.ping import NOT_PERMITTED
from schema.assertions import Operator, Value
from schema.heartbeat_texts import ANSWERED, NO_ANSWER
from schema.status import Status
from schema.targets import Ping

WITHOUT_RIGHTS = """
import asyncio, os
from types import SimpleNamespace
from actors.probes import open_probe_context, run_probe
from actors.probes.types import ping
from schema.targets import Ping
from tests import make

async def main():
    tools = await open_probe_context(SimpleNamespace(check_concurrency=1, connectivity_check_hosts=()))
    if os.getuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    print((await run_probe(make.slot(), make.snapshot(Ping(host="127.0.0.1")), tools)).message)
    await tools.close()

asyncio.run(main())
"""


@pytest.mark.parametrize(("host", "size"), [("127.0.0.1", 56), ("::1", 56), ("localhost", 0), ("127.0.0.1", 40_000)])
async def test_a_host_that_replies_is_up_where_pings_are_permitted(check, host, size):
    outcome = await check(Ping(host=host, packet_size=size), detailed=True)
    if outcome.message == NOT_PERMITTED:
        assert outcome.status is Status.UNKNOWN
    else:
        assert (outcome.status, outcome.code, outcome.detail["lost"]) == (Status.UP, ANSWERED, 0)


async def test_metadata_and_broadcast_addresses_are_not_pinged(check):
    for host in ("169.254.169.254", "224.0.0.1", "255.255.255.255"):
        outcome = await check(Ping(host=host))
        assert outcome.status is Status.UNKNOWN
        assert outcome.message.endswith("refused")


def test_a_worker_without_permission_explains_what_to_do():
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_RIGHTS], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.strip() in {NOT_PERMITTED, ""}  # nothing where the kernel permits every user to ping


async def test_a_count_is_sent_and_averaged(check):
    target = Ping(host="127.0.0.1", count=3, max_loss=0, assertions=[Value(operator=Operator.LESS, expected="1000")])
    outcome = await check(target, detailed=True)
    if outcome.message == NOT_PERMITTED:
        assert outcome.status is Status.UNKNOWN
    else:
        assert (outcome.status, outcome.detail["lost"]) == (Status.UP, 0)
        assert outcome.detail["rtt_min_ms"] <= outcome.detail["rtt_ms"] <= outcome.detail["rtt_max_ms"]


async def test_jitter_is_reported(check):
    outcome = await check(Ping(host="127.0.0.1", count=5, max_jitter=0.000001))
    if outcome.message != NOT_PERMITTED:
        assert outcome.status is Status.DEGRADED
        assert outcome.message.startswith("the answers vary by")


SILENCE = """
import asyncio, fcntl, socket, struct, sys
from pathlib import Path
from types import SimpleNamespace
from actors.probes import open_probe_context, run_probe
from schema.assertions import FailureStatus
from schema.targets import Ping
from tests import make

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:  # lo up, in this network of our own
    fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh22x", b"lo", 1))
ignoring = Path("/proc/sys/net/ipv4/icmp_echo_ignore_all")

async def deaf_for_a_while():
    ignoring.write_text("1")
    await asyncio.sleep(0.7)
    ignoring.write_text("0")

async def main():
    tools = await open_probe_context(SimpleNamespace(check_concurrency=1, connectivity_check_hosts=()))
    for status in ("degraded", "down"):
        some = asyncio.create_task(deaf_for_a_while())
        await asyncio.sleep(0)
        target = Ping(host="127.0.0.1", count=4, max_loss=10, failure_status=FailureStatus(status))
        outcome = await run_probe(make.slot(), make.snapshot(target, timeout_ms=2_000), tools)
        print(outcome.status.name, outcome.detail["lost"] > 0, outcome.message)
        await some
    ignoring.write_text("1")
    for count in (1, 2):
        target = Ping(host="127.0.0.1", count=count)
        outcome = await run_probe(make.slot(), make.snapshot(target, timeout_ms=400), tools)
        print(outcome.status.name, outcome.code, outcome.message)
    await tools.close()

asyncio.run(main())
"""


@pytest.mark.skipif(os.getuid() != 0, reason="a network of its own takes root (unshare, of util-linux)")
def test_a_silent_host_is_down_and_lost_packets_are_reported():
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", SILENCE], capture_output=True, text=True, timeout=30, check=True
    )
    degraded, down, *silent = done.stdout.splitlines()
    assert degraded.startswith("DEGRADED True ")
    assert down.startswith("DOWN True ")
    assert "of 4 echo requests were lost, more than 10 %" in degraded
    assert silent == [f"DOWN {NO_ANSWER} no answer to {tries} echo requests" for tries in (3, 2)]
