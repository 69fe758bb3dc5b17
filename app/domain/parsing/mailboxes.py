"""E-mail addresses with the name of their owner, as in `Watchkeeper <watch@example.org>`. Pure."""

import re

from msgspec import Struct

from app.domain.parsing.hosts import wire_mail_address

_NAMED = re.compile(r"([^<>]*)<([^<>]*)>")
_ESCAPED = re.compile(r"\\(.)")


class MailAddress(Struct, frozen=True):
    """An address, and the name to show for it; empty: none."""

    address: str
    name: str = ""

    @property
    def wire_address(self) -> str:
        """The address as every mail server takes it: see `wire_mail_address`."""
        return wire_mail_address(self.address)


def parse_mailbox(text: str) -> MailAddress:
    """The address and the name of a mailbox. A name in quotation marks loses them (RFC 5322, 3.4)."""
    match = _NAMED.fullmatch(text.strip())
    if not match:
        return MailAddress(text.strip())
    name = " ".join(match[1].split())
    if len(name) > 1 and name[0] == name[-1] == '"':
        name = " ".join(_ESCAPED.sub(r"\1", name[1:-1]).split())
    return MailAddress(match[2].strip(), name)
