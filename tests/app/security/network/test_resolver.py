"""Names to addresses."""

import asyncio
import socket
import threading

import pytest

from app.security.network.resolver import (
    RESOLVING_NOTE,
    NameUnknown,
    Resolver,
    ResolverUnavailable,
    ip_literal,
    resolve_by_system,
)


class Counting:
    """A resolver that records its lookups, and waits until it may answer."""

    def __init__(self, *, failing=False):
        self.hosts, self.may_answer, self._failing = [], threading.Event(), failing
        self.may_answer.set()

    def __call__(self, host):
        self.hosts.append(host)
        self.may_answer.wait(5)
        if self._failing:
            raise ResolverUnavailable(socket.EAI_AGAIN, "nobody answers")
        return ("192.0.2.1",)


@pytest.fixture
def open_names():
    made = []

    def make(lookup, **options):
        made.append(Resolver(lookup, **options))
        return made[-1]

    yield make
    for names in made:
        names.close()


@pytest.mark.parametrize(
    ("host", "own"),
    [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("2001:DB8::0:1", "2001:db8::1")]
    + [(name, "") for name in ("localhost", "127.1", "0x7f000001", "2130706433", "127.000.0.1", "1.2.3.4.", "")],
)
def test_only_standard_notations_are_ip_literals(host, own):
    assert ip_literal(host) == own


def test_the_system_knows_this_host_by_name_and_numbers_in_disguise():
    assert "127.0.0.1" in resolve_by_system("localhost")
    assert resolve_by_system("0x7f.1") == ("127.0.0.1",)


@pytest.mark.parametrize("host", ["a" * 64, "a..b", "bad_\N{SNOWMAN}name." + "b" * 70])
def test_invalid_host_names_are_unknown(host):
    with pytest.raises(NameUnknown):
        resolve_by_system(host)


async def test_an_address_is_cached_for_a_moment_and_then_resolved_again(open_names):
    lookup = Counting()
    names, forgetful = open_names(lookup), open_names(lookup, cache_s=0)
    assert await names.addresses("a") == await names.addresses("a") == ("192.0.2.1",)
    assert lookup.hosts == ["a"]
    await forgetful.addresses("a")
    await forgetful.addresses("a")
    assert lookup.hosts == ["a", "a", "a"]


async def test_concurrent_callers_resolve_once(open_names):
    lookup = Counting()
    names = open_names(lookup)
    await asyncio.gather(*(names.addresses("a") for _ in range(50)))
    assert lookup.hosts == ["a"]


async def test_a_failure_reaches_all_callers_and_is_not_cached(open_names):
    lookup = Counting(failing=True)
    names = open_names(lookup)
    raised = await asyncio.gather(*(names.addresses("a") for _ in range(5)), return_exceptions=True)
    assert {type(one) for one in raised} == {ResolverUnavailable}
    with pytest.raises(ResolverUnavailable):
        await names.addresses("a")
    assert lookup.hosts == ["a", "a"]


async def test_no_more_names_are_kept_than_were_allowed_and_the_oldest_goes_first(open_names):
    lookup = Counting()
    names = open_names(lookup, max_cached=2)
    for host in ("a", "b", "c", "b", "a"):
        await names.addresses(host)
    assert lookup.hosts == ["a", "b", "c", "a"]


async def test_a_cancelled_lookup_does_not_cancel_the_others(open_names):
    lookup = Counting()
    lookup.may_answer.clear()
    names = open_names(lookup)
    hurried, patient = (asyncio.create_task(names.addresses("a")) for _ in range(2))
    await asyncio.sleep(0)
    hurried.cancel()
    with pytest.raises(asyncio.CancelledError) as cut:
        await hurried
    assert RESOLVING_NOTE in cut.value.__notes__
    lookup.may_answer.set()
    assert await patient == ("192.0.2.1",)
