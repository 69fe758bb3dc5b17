"""Field types that several providers share."""

from typing import Annotated

from msgspec import Meta

from schema.field_types import Restricted

Address = Annotated[
    str, Meta(max_length=320, pattern=r"^[^\s@<>,;]+@[^\s@<>,;]+$(?!\n)", description="E-mail address.")
]
_ADDRESS = r"[^\s@<>,;]+@[^\s@<>,;]+"
_LINE_ENDS = "\\x00-\\x1f\\x7f\u2028\u2029"  # and other controls; the last two as they are: RE2 knows no other way
_MAILBOX = rf"(?:{_ADDRESS}|[^{_LINE_ENDS}<>]{{0,200}}<{_ADDRESS}>)"
Mailbox = Annotated[
    str,
    Meta(
        max_length=530,
        pattern=rf"^{_MAILBOX}$(?!\n)",
        description="E-mail address, alone or after a name.",
        examples=["Watchkeeper <watch@example.org>"],
    ),
]
Mailboxes = Annotated[list[Mailbox], Meta(min_length=1, max_length=50)]
ReplyTo = Annotated[
    str,
    Meta(
        max_length=530,
        pattern=rf"^{_MAILBOX}?$(?!\n)",
        description="E-mail address that replies go to, alone or after a name. Empty: the sender.",
    ),
]
HeaderName = Annotated[str, Meta(max_length=128, pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$(?!\n)")]
_MailHeaderName = Annotated[str, Meta(max_length=76, pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$(?!\n)")]
_MailHeaderValue = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=900,
        pattern=rf"^[^{_LINE_ENDS}]+$(?!\n)",
        extra={"restricted": Restricted.ALL},
    ),
]
MailHeaders = Annotated[
    dict[_MailHeaderName, _MailHeaderValue],
    Meta(
        max_length=20,
        description="More headers of the e-mail, by name. Those that Watchkeeper sets are refused. Values are not"
        " shown to viewers.",
    ),
]
Key = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=4_096,
        pattern=r"^[!-~]+$(?!\n)",
        extra={"secret": True},
        description="Key or token. Stored encrypted; shown as ********.",
    ),
]
SecretUrl = Annotated[
    str,
    Meta(
        max_length=2_048,
        pattern=r"^([Hh][Tt][Tt][Pp][Ss]?://[^\s@/?#]+(?:[/?#]\S*)?|\*{8})$",
        extra={"secret": True},
        description="Secret URL: anyone who has it can send. Stored encrypted; shown as ********.",
    ),
]
