"""TLS contexts of checks that speak something other than HTTP."""

import ssl
from functools import lru_cache
from tempfile import NamedTemporaryFile
from typing import Any

from actors.probes.seen import Unsure

KEPT = 256  # contexts; reading the system's authorities takes some 20 ms


class Named(ssl.SSLContext):
    """A client's context for one host: its certificate is asked for and verified under that name.

    Libraries that connect by themselves are given an address that the policy allowed, and would verify that.
    """

    host = ""

    def wrap_bio(self, *args: Any, **options: Any) -> ssl.SSLObject:
        """As the base class; the name is ours."""
        return super().wrap_bio(*args, **{**options, "server_hostname": self.host})

    def wrap_socket(self, *args: Any, **options: Any) -> ssl.SSLSocket:
        """As the base class; the name is ours."""
        return super().wrap_socket(*args, **{**options, "server_hostname": self.host})


@lru_cache(maxsize=KEPT)
def context(  # noqa: PLR0913 - what TLS can be told
    host: str,
    *,
    verify: bool = True,
    check_name: bool = True,
    ca: str = "",
    certificate: str = "",
    key: str = "",
    newest: ssl.TLSVersion | None = None,
) -> Named:
    """How to speak TLS with a host. Raises Unsure for PEM texts that can't be read.

    verify        whether its certificate must be valid
    check_name    whether it must be for this host too
    newest        of TLS's versions; None: whatever both sides know
    """
    made = Named(ssl.PROTOCOL_TLS_CLIENT)
    made.host = host
    made.check_hostname = verify and check_name
    made.verify_mode = ssl.CERT_REQUIRED if verify else ssl.CERT_NONE
    if newest is not None:
        made.maximum_version = newest
    try:
        _trust(made, ca)
        if certificate:
            _introduce(made, certificate, key)
    except (ssl.SSLError, ValueError) as error:
        raise Unsure(f"a certificate or key of this monitor can't be read: {error.args[-1]}") from error
    return made


def _trust(made: Named, ca: str) -> None:
    if ca:
        made.load_verify_locations(cadata=ca)
    else:
        made.load_default_certs()


def _introduce(made: Named, certificate: str, key: str) -> None:
    """The library reads files only; ours is gone at once."""
    with NamedTemporaryFile("w", suffix=".pem", encoding="ascii", errors="replace") as file:
        file.write(f"{certificate}\n{key}\n")
        file.flush()
        made.load_cert_chain(file.name, password="")
