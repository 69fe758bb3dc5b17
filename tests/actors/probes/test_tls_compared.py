"""TLS servers with oddities: the output of `openssl s_client`, and the results of checks."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from actors.probes import open_probe_context, run_probe
from app.security.network.resolver import Resolver
from schema.jobs import CheckOutcome
from schema.status import Status
from schema.targets import Ssl, Tcp
from tests import make, oddities
from tests.actors.probes.scripted_server import talking
from tests.actors.probes.servers_tls import Authorities, Wanted, s_client, s_server

PAGE = "tls"
OLD = ("-cipher", "DEFAULT:@SECLEVEL=0")
LENIENT = ("-min_protocol", "TLSv1", "-legacy_server_connect", *OLD)  # options of the command line that ignore errors


class Case(NamedTuple):
    """A server: its certificate and options; and how it is checked.

    with_link    it sends the link between its certificate and the root
    trusted      who is trusted: the root, the link, the certificate itself, or another authority
    known        we have a certificate of our own to show
    ignoring     errors are ignored, by both
    """

    wanted: Wanted = Wanted()
    options: tuple[str, ...] = ()
    name: str = "box.test"
    with_link: bool = False
    trusted: str = "root"
    known: bool = False
    ignoring: bool = False


def names(*names: str, **others: Any) -> Wanted:
    return Wanted(names=names, **others)


CASES = {
    "a certificate for the name, by a trusted authority": Case(),
    "the name in capitals, in the certificate": Case(names("BOX.Test")),
    "the name with a dot behind it, as asked for": Case(name="box.test."),
    "a certificate that has expired": Case(Wanted(days=(-9, -2))),
    "a certificate that is not valid yet": Case(Wanted(days=(2, 9))),
    "a certificate for another name": Case(name="other.test"),
    "a self-signed certificate": Case(Wanted(issuer="")),
    "a self-signed certificate that is trusted itself": Case(Wanted(issuer=""), trusted="itself"),
    "a certificate by an authority that nobody knows": Case(trusted="stranger"),
    "a certificate that is trusted itself, and not its authority": Case(trusted="itself"),
    "a link of the chain that the server sends": Case(Wanted(issuer="link"), with_link=True),
    "a link of the chain that the server does not send": Case(Wanted(issuer="link")),
    "a link that is trusted, instead of the root": Case(Wanted(issuer="link"), trusted="link"),
    "a wildcard, for one label": Case(names("*.box.test"), name="a.box.test"),
    "a wildcard, for two labels": Case(names("*.box.test"), name="a.b.box.test"),
    "a wildcard, for no label": Case(names("*.box.test")),
    "a wildcard for a part of a label": Case(names("a*.box.test"), name="ab.box.test"),
    "an international name (`bücher.test`)": Case(names("xn--bcher-kva.test"), name="xn--bcher-kva.test"),
    "an IP address": Case(names("127.0.0.1"), name="127.0.0.1"),
    "an IP address that is written as a name": Case(names("127.0.0.1", as_text=True), name="127.0.0.1"),
    "another IP address": Case(names("127.0.0.2"), name="127.0.0.1"),
    "no alternative names, the common name": Case(names(common_name="box.test")),
    "alternative names, and the common name is asked for": Case(names("other.test", common_name="box.test")),
    "no alternative names, an IP address as the common name": Case(names(common_name="127.0.0.1"), name="127.0.0.1"),
    "a certificate that is for clients only": Case(Wanted(is_for_clients=True)),
    "a certificate signed with SHA-1": Case(Wanted(sha1=True), OLD),
    "a certificate signed with SHA-1, errors ignored": Case(Wanted(sha1=True), OLD, ignoring=True),
    "an RSA key of 1024 bits": Case(Wanted(key="rsa1024"), OLD),
    "an RSA key of 1024 bits, errors ignored": Case(Wanted(key="rsa1024"), OLD, ignoring=True),
    "an ECDSA key": Case(Wanted(key="ec")),
    "an Ed25519 key": Case(Wanted(key="ed25519")),
    "TLS 1.3 alone": Case(options=("-tls1_3",)),
    "TLS 1.2 alone": Case(options=("-tls1_2",)),
    "TLS 1.1 alone": Case(options=("-tls1_1", *OLD)),
    "TLS 1.1 alone, errors ignored": Case(options=("-tls1_1", *OLD), ignoring=True),
    "TLS 1.0 alone": Case(options=("-tls1", *OLD)),
    "TLS 1.0 alone, errors ignored": Case(options=("-tls1", *OLD), ignoring=True),
    **{
        f"TLS 1.2 with {cipher} alone": Case(options=("-tls1_2", "-cipher", f"{cipher}:@SECLEVEL=0"))
        for cipher in (
            "ECDHE-RSA-CHACHA20-POLY1305",
            "ECDHE-RSA-AES256-SHA384",
            "ECDHE-RSA-AES128-SHA",
            "AES128-GCM-SHA256",
            "AES256-SHA256",
            "AES128-SHA",
            "DHE-RSA-AES128-GCM-SHA256",
            "DHE-RSA-AES256-SHA",
        )
    },
    "a client certificate is wanted, and there is none": Case(options=("-verify", "1")),
    "a client certificate is required, and there is one": Case(options=("-Verify", "1", "-tls1_2"), known=True),
    "a client certificate is required (TLS 1.2), and there is none": Case(options=("-Verify", "1", "-tls1_2")),
    "a client certificate is required (TLS 1.3), and there is none": Case(options=("-Verify", "1", "-tls1_3")),
    "a name that the server does not know is an alert": Case(
        options=("-servername", "other.test", "-servername_fatal"), name="box.test"
    ),
    "the server's one application protocol is h2, and none is asked for": Case(options=("-alpn", "h2")),
}


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> Authorities:
    return Authorities(tmp_path_factory.mktemp("authorities"))


@pytest.fixture
async def look(settings) -> AsyncIterator[Any]:
    """Checks a target once; every name is this machine."""
    context = await open_probe_context(settings, names=Resolver(lambda _: ("127.0.0.1",)))

    async def run(target: Any) -> CheckOutcome:
        return await run_probe(make.slot(), make.snapshot(target, timeout_ms=30_000), context)

    yield run
    await context.close()


def options_of(case: Case, authorities: Authorities, pair: tuple[Path, Path]) -> list[str]:
    """The server's, in full."""
    options = list(case.options)
    if case.with_link:
        options += ["-cert_chain", str(authorities.link)]
    if "-Verify" in options:
        options += ["-CAfile", str(authorities.root), "-verify_return_error"]
    if "-servername" in options:
        options += ["-cert2", str(pair[0]), "-key2", str(pair[1])]
    return options


async def ours_of(look: Any, case: Case, port: int, pems: dict[str, Any]) -> tuple[CheckOutcome, CheckOutcome]:
    """The results of an `ssl` and a `tcp` check of the same server; only `tcp` can ignore errors."""
    tcp = await look(Tcp(host=case.name, port=port, tls=True, ignore_tls_errors=case.ignoring, **pems))
    if case.ignoring:
        return tcp, tcp
    limits: dict[str, Any] = {"warning_days": 0, "critical_days": 0, "check_chain": True}
    return await look(Ssl(host="127.0.0.1", port=port, server_name=case.name.rstrip("."), **limits, **pems)), tcp


@pytest.mark.parametrize("what", CASES)
async def test_a_check_agrees_with_the_command_line(look, authorities, tmp_path, what):
    case = CASES[what]
    pair = authorities.pair(case.wanted)
    files = {"root": authorities.root, "link": authorities.link, "itself": pair[0], "stranger": authorities.stranger}
    trusted = files[case.trusted]
    own = authorities.pair(Wanted()) if case.known else None
    pems: dict[str, Any] = {"tls_ca": trusted.read_text()}
    pems |= {"tls_cert": own[0].read_text(), "tls_key": own[1].read_text()} if own else {}
    certificate_args = ("-cert", str(own[0]), "-key", str(own[1])) if own else ()
    async with s_server(pair, tmp_path, *options_of(case, authorities, pair)) as port:
        theirs = await s_client(port, case.name, trusted, *certificate_args, *(LENIENT if case.ignoring else ()))
        certificate, tcp = await ours_of(look, case, port, pems)
    ours = oddities.words_of(certificate)
    if (certificate.status is Status.UP) is not (tcp.status is Status.UP):
        ours += f"; tcp: {oddities.words_of(tcp)}"
    oddities.compare(PAGE, what, f"no: {theirs}" if theirs else "yes", oddities.without_days(ours))


UNCLEAN = "the connection is cut off after the answer, without an end of TLS"


async def test_an_answer_counts_though_tls_did_not_end(look, authorities):
    async def cut_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"well\r\n")
        await writer.drain()
        writer.transport.get_extra_info("socket").shutdown(socket.SHUT_WR)
        await reader.read()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authorities.pair(Wanted()))
    async with talking(cut_off, tls=context) as port:
        theirs = await s_client(port, "box.test", authorities.root)
        pems: dict[str, Any] = {"tls_ca": authorities.root.read_text()}
        ours = await look(Tcp(host="box.test", port=port, tls=True, send="?", expect="well", **pems))
    oddities.compare(PAGE, UNCLEAN, f"no: {theirs}" if theirs else "yes", oddities.words_of(ours))


def test_the_page_has_a_row_for_each_of_them():
    assert list(oddities.rows(PAGE)) == [*CASES, UNCLEAN]
