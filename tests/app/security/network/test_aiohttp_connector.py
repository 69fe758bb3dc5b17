"""aiohttp goes through the one door, whatever it is led by."""

import aiohttp
import pytest

from app.security.network.aiohttp_connector import SINGLE_USE, EgressConnector
from app.security.network.egress import Egress, EgressDenied
from app.security.network.resolver import NameUnknown, Resolver, ResolverUnavailable
from tests.actors.probes import certificates
from tests.actors.probes.target import answering, redirecting, serving


class LaterDoor(EgressConnector):
    """As if aiohttp had dropped its seam: only the public hooks are left."""

    _create_direct_connection = aiohttp.TCPConnector._create_direct_connection


def by_name(host):
    known = {"here": ("127.0.0.1",), "rebound": ("169.254.169.254",), "half": ("127.0.0.1", "169.254.169.254")}
    if host == "mute":
        raise ResolverUnavailable(-3, "nobody answers")
    if host not in known:
        raise NameUnknown(-2, "no such name")
    return known[host]


@pytest.fixture(params=[EgressConnector, LaterDoor])
async def session(request):
    names = Resolver(by_name)
    door = request.param(Egress(names), **SINGLE_USE)
    async with aiohttp.ClientSession(connector=door, timeout=aiohttp.ClientTimeout(total=5)) as made:
        yield made
    names.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "here"])
async def test_allowed_hosts_are_reached(session, host):
    async with serving(answering(b"words")) as target, session.get(f"http://{host}:{target.port}/") as answer:
        assert await answer.read() == b"words"


@pytest.mark.parametrize("host", ["169.254.169.254", "rebound", "half", "[::ffff:a9fe:a9fe]", "[fd00:ec2::254]"])
async def test_denied_hosts_are_rejected_directly_and_after_a_redirect(session, host):
    with pytest.raises(EgressDenied):
        await session.get(f"http://{host}/")
    async with serving(redirecting(f"http://{host}/")) as target:
        with pytest.raises(EgressDenied):
            await session.get(target.url())


@pytest.mark.parametrize(("host", "cause"), [("nowhere", NameUnknown), ("mute", ResolverUnavailable)])
async def test_an_unresolvable_name_is_a_dns_error(session, host, cause):
    with pytest.raises(aiohttp.ClientConnectorDNSError) as caught:
        await session.get(f"http://{host}/")
    assert isinstance(caught.value.os_error, cause)


async def test_errors_have_the_classes_that_callers_of_aiohttp_know(session, free_port, tmp_path):
    with pytest.raises(aiohttp.ClientConnectorError):
        await session.get(f"http://127.0.0.1:{free_port}/")
    async with serving(answering(), tls=certificates.served(tmp_path)) as target:
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await session.get(target.url(scheme="https"))


async def test_a_limit_for_connecting_is_kept(session):
    limit = aiohttp.ClientTimeout(sock_connect=0.2)
    async with serving(answering()) as target:  # which waits for a request while we wait for its TLS
        with pytest.raises(aiohttp.ServerTimeoutError):
            await session.get(target.url(scheme="https"), timeout=limit)
