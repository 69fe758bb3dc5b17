"""Name servers of the tests: BIND as a private process with one zone, and DNS over HTTPS on the test's own loop."""

import contextlib
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator

import dns.exception
import dns.message
import dns.query
import dns.rcode
import pytest
from aiohttp import web

from bench.ports import unused_port
from tests.actors.probes import certificates
from tests.actors.probes.server_processes import program, running

CONF = """
tls own {{ cert-file "{place}/leaf.pem"; key-file "{place}/leaf.pem"; }};
options {{
  directory "{place}"; pid-file none; lock-file none; session-keyfile none;
  listen-on port {plain} {{ 127.0.0.1; }};
  listen-on port {tls} tls own {{ 127.0.0.1; }};
  listen-on-v6 {{ none; }};
  recursion no; notify no; dnssec-validation no; allow-query {{ any; }};
}};
controls {{ }};
zone "box.test" {{ type primary; file "zone"; }};
"""
ZONE = """$ORIGIN box.test.
@ 300 IN SOA ns.box.test. admin.box.test. 1 2 3 4 5
@ 300 IN NS ns.box.test.
@ 300 IN A 192.0.2.1
ns 300 IN A 127.0.0.1
@ 300 IN TLSA 3 1 1 0d6fce3320315023ff499c3f3d8a1c5a0d6fce3320315023ff499c3f3d8a1c5a
@ 300 IN HTTPS 1 . alpn="h2"
@ 300 IN SSHFP 4 2 0d6fce3320315023ff499c3f3d8a1c5a0d6fce3320315023ff499c3f3d8a1c5a
@ 300 IN NAPTR 10 20 "s" "SIP+D2U" "" _sip._udp.box.test.
@ 300 IN LOC 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m
long 300 IN TXT "{many}" "{many}" "{many}" "{many}" "{many}" "{many}"
"""
Handler = Callable[[dns.message.Message], dns.message.Message]


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    """BIND's ports: plain (UDP and TCP) and tls. It answers for box.test and for nothing else."""
    binary = program("named", "bind9")
    place = tmp_path_factory.mktemp("named")
    ports = {"plain": unused_port(), "tls": unused_port()}
    certificates.served(place)
    (place / "conf").write_text(CONF.format(place=place, **ports))
    (place / "zone").write_text(ZONE.format(many="x" * 250))
    with running([binary, "-g", "-c", str(place / "conf")], place, *ports.values()):
        _until_its_zone_is_there(ports["plain"])
        yield ports


def _until_its_zone_is_there(port: int) -> None:
    """BIND listens before it has read its zones."""
    for _ in range(200):
        with contextlib.suppress(dns.exception.Timeout):
            query = dns.message.make_query("box.test", "SOA")
            if dns.query.udp(query, "127.0.0.1", timeout=1, port=port).rcode() == dns.rcode.NOERROR:
                return
        time.sleep(0.05)
    pytest.fail("BIND does not know its zone")


@contextlib.asynccontextmanager
async def over_https(handler: Handler, tls: ssl.SSLContext) -> AsyncIterator[str]:
    """The address of a server that answers with `handler`."""

    async def answer(request: web.Request) -> web.Response:
        query = dns.message.from_wire(await request.read())
        return web.Response(body=handler(query).to_wire(), content_type="application/dns-message")

    app = web.Application()
    app.router.add_post("/dns-query", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    port = unused_port()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls).start()
    try:
        yield f"https://127.0.0.1:{port}/dns-query"
    finally:
        await runner.cleanup()
