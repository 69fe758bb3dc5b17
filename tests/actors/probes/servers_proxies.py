"""Real proxies on loopback: tinyproxy, microsocks and dante, each a process of the tests' own."""

from collections.abc import Iterator

import pytest

from bench.ports import unused_port
from tests.actors.probes.server_processes import program, running


@pytest.fixture(scope="session")
def tinyproxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """An HTTP proxy that wants to know ann's password."""
    place, port = tmp_path_factory.mktemp("tinyproxy"), unused_port()
    (place / "tinyproxy.conf").write_text(
        f"Port {port}\nListen 127.0.0.1\nTimeout 60\nMaxClients 50\nBasicAuth ann sesame\n"
        f'LogFile "{place}/log"\nLogLevel Info\nAllow 127.0.0.1\n'
    )
    with running([program("tinyproxy", "tinyproxy"), "-d", "-c", str(place / "tinyproxy.conf")], place, port):
        yield port


@pytest.fixture(scope="session")
def microsocks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A SOCKS5 proxy that wants to know ann's password."""
    place, port = tmp_path_factory.mktemp("microsocks"), unused_port()
    command = [program("microsocks", "microsocks"), "-i", "127.0.0.1", "-p", str(port), "-u", "ann", "-P", "sesame"]
    with running(command, place, port):
        yield port


@pytest.fixture(scope="session")
def dante(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A SOCKS4 and SOCKS5 proxy that permits every client and every address but 127.0.0.66."""
    place, port = tmp_path_factory.mktemp("dante"), unused_port()
    (place / "danted.conf").write_text(DANTE.format(place=place, port=port))
    with running(
        [program("danted", "dante-server"), "-f", str(place / "danted.conf"), "-p", str(place / "pid")], place, port
    ):
        yield port


DANTE = """
logoutput: {place}/log
internal: 127.0.0.1 port = {port}
external: 127.0.0.1
socksmethod: none
clientmethod: none
user.privileged: root
user.unprivileged: nobody
client pass {{ from: 127.0.0.0/8 to: 0.0.0.0/0 }}
socks block {{ from: 127.0.0.0/8 to: 127.0.0.66/32 }}
socks pass {{ from: 127.0.0.0/8 to: 0.0.0.0/0 }}
"""
