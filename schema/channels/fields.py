"""Field types that several providers share."""

from typing import Annotated

from msgspec import Meta

Address = Annotated[
    str, Meta(max_length=320, pattern=r"^[^\s@<>,;]+@[^\s@<>,;]+$(?!\n)", description="E-mail address.")
]
HeaderName = Annotated[str, Meta(max_length=128, pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$(?!\n)")]
Addresses = Annotated[list[Address], Meta(min_length=1, max_length=50)]
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
