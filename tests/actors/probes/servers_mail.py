"""Mail servers of the tests: Dovecot as a private process, aiosmtpd on the test's own loop."""

import asyncio
import contextlib
import getpass
import grp
import os
import pwd
import socket
import ssl
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from bench.ports import unused_port
from tests.actors.probes import certificates
from tests.actors.probes.server_processes import as_unprivileged_user, program, running, writable_by_unprivileged_user

DOVECOT = """
protocols = imap pop3
listen = 127.0.0.1
base_dir = {place}/run
state_dir = {place}/state
log_path = /dev/stderr
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
disable_plaintext_auth = no
ssl = yes
ssl_cert = <{place}/leaf.pem
ssl_key = <{place}/leaf.pem
mail_location = maildir:{place}/mail
first_valid_uid = 1
auth_failure_delay = 0
passdb {{
  driver = passwd-file
  args = scheme=PLAIN {place}/users
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={place}/mail allow_all_users=yes
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service pop3-login {{
  chroot =
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = {pop3s}
    ssl = yes
  }}
}}
"""
LETTER = b"From: a@box.test\r\nTo: b@box.test\r\nSubject: hello\r\n\r\nhello\r\n"


@pytest.fixture(scope="module")
def dovecot() -> Iterator[dict[str, int]]:
    """Its ports: imap, imaps, pop3, pop3s. The user `watch` with the password `ri ght"` has two messages."""
    binary = program("dovecot", "dovecot-imapd dovecot-pop3d")
    ports = {name: unused_port() for name in ("imap", "imaps", "pop3", "pop3s")}
    with tempfile.TemporaryDirectory(prefix="wk-", dir="/tmp") as folder:  # short: socket paths are limited
        place = Path(folder)
        _furnish(place, ports)
        writable_by_unprivileged_user(place)
        with running(as_unprivileged_user(binary, "-F", "-c", str(place / "conf")), place, *ports.values()):
            _until_it_greets(ports["imap"])
            _until_it_greets(ports["pop3"])
            yield ports


def _furnish(place: Path, ports: dict[str, int]) -> None:
    certificates.served(place)
    (place / "users").write_text('watch:ri ght":\n')
    for folder in ("cur", "new", "tmp"):
        (place / "mail" / folder).mkdir(parents=True)
    for number in (1, 2):
        (place / "mail" / "new" / f"{number}.box").write_bytes(LETTER)
    (place / "conf").write_text(DOVECOT.format(place=place, **_account(), **ports))


def _until_it_greets(port: int) -> None:
    """Dovecot listens before its other halves do, and hangs up meanwhile."""
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as one:
            if b"OK" in one.recv(200):
                return
        time.sleep(0.05)
    pytest.fail("Dovecot does not greet")


def _account() -> dict[str, str]:
    if os.geteuid() == 0:
        return {"user": "nobody", "group": "nogroup"}
    return {"user": getpass.getuser(), "group": grp.getgrgid(pwd.getpwuid(os.geteuid()).pw_gid).gr_name}


class Letterbox:
    """Records messages; refuses the recipient nobody@."""

    def __init__(self) -> None:
        self.letters: list[Any] = []

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802  # the library's name
        if address.startswith("nobody@"):
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802  # the library's name
        self.letters.append(envelope)
        return "250 2.0.0 taken"


def _admits(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
    return AuthResult(success=data == LoginPassword(b"watch", b"right"), handled=False)


@contextlib.asynccontextmanager
async def posting(
    box: Letterbox | None = None,
    *,
    tls: ssl.SSLContext | None = None,
    starttls: ssl.SSLContext | None = None,
    **options: Any,
) -> AsyncIterator[int]:
    """The port of an SMTP server that lets `watch` in with `right`, over TLS at once or on request."""
    options = {"auth_required": False, "auth_require_tls": False, **options}

    def server() -> SMTP:
        return SMTP(box or Letterbox(), hostname="box.test", tls_context=starttls, authenticator=_admits, **options)

    listening = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0, ssl=tls)
    try:
        yield int(listening.sockets[0].getsockname()[1])
    finally:
        listening.close()
        await asyncio.sleep(0)


def wrong_name(place: Path) -> ssl.SSLContext:
    """A server's context with a certificate for another host."""
    return certificates.served(place, address="127.0.0.2")
