"""Headers of e-mail: names and other scripts as RFC 5322 and RFC 2047 write them. Pure.

Python's library breaks long headers where they must not be broken: a comma between two addresses becomes a part of a
name (python/cpython#100884), and a long word, such as an address of the web, an encoded word. So a header with
addresses has one address a line, and a header of a user's own is one line.
"""

import re
from email.errors import HeaderParseError
from email.header import Header
from email.headerregistry import Address, BaseHeader, HeaderRegistry, UniqueAddressHeader, UnstructuredHeader
from email.message import EmailMessage
from email.policy import SMTP, EmailPolicy, Policy

from actors.senders.kit.errors import DeliveryError
from app.domain.parsing.mailboxes import parse_mailbox

MAX_WORD_CHARS = 74  # of an encoded word; RFC 2047, 2 allows 75, and a line begins with a space
_SPECIALS = re.compile(r'[\]\[\\()<>@,:;".]')  # RFC 5322, 3.2.3


class _AddressHeader(UniqueAddressHeader, BaseHeader):  # type: ignore[misc]  # a mixin by the library's own design
    def fold(self, *, policy: Policy) -> str:
        """The header with an address a line."""
        lines = [_mailbox_text(one.display_name, one.addr_spec, policy.linesep) for one in self.addresses]
        return f"{self.name}: {f',{policy.linesep} '.join(lines)}{policy.linesep}"


class _OneLineHeader(UnstructuredHeader, BaseHeader):
    def fold(self, *, policy: Policy) -> str:
        """The header on one line, or in encoded words."""
        return f"{self.name}: {encode_text(str(self), policy.linesep, self.name)}{policy.linesep}"


def mail_policy() -> "EmailPolicy[EmailMessage]":
    """The policy of a message whose headers are written by these rules."""
    registry = HeaderRegistry(base_class=BaseHeader, default_class=_OneLineHeader)
    for name in ("from", "to", "cc", "reply-to"):
        registry.map_to_type(name, _AddressHeader)
    return SMTP.clone(header_factory=registry)


def header_address(text: str) -> Address:
    """A mailbox for a header. Raises DeliveryError for a line break and other characters that it can't have."""
    mailbox = parse_mailbox(text)
    name, _, domain = mailbox.wire_address.rpartition("@")
    try:
        return Address(mailbox.name, name, domain)
    except (ValueError, IndexError, HeaderParseError) as error:
        reason = "an e-mail address has characters that it can't have"
        raise DeliveryError(reason, permanent=True, channel_level=True) from error


def encode_text(text: str, linesep: str = "", header: str = "") -> str:
    """ASCII as it is, other text in encoded words (RFC 2047), one a line if `linesep` is given.

    header    name of the header that the text begins in
    """
    if text.isascii() and "=?" not in text:
        return text
    words = Header(text, "utf-8", MAX_WORD_CHARS, header).encode(linesep="\n").split("\n ")
    return f"{linesep} ".join(words)


def _mailbox_text(name: str, address: str, linesep: str) -> str:
    if not name:
        return address
    encoded = encode_text(name, linesep)
    if encoded == name and _SPECIALS.search(name):
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        encoded = f'"{escaped}"'
    return f"{encoded} <{address}>"
