"""Targets that are registered domains."""

from typing import Annotated

from msgspec import Meta, Struct

from schema.assertions import Assertions
from schema.field_types import Host, Port

Days = Annotated[int, Meta(ge=0, le=3_650)]


class Domain(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="domain"):
    """A registered domain: how long it still is."""

    domain: Annotated[
        str,
        Meta(
            max_length=253,
            pattern=r"^[^\s./:@?#]+(\.[^\s./:@?#]+)+$(?!\n)",
            description="As it was registered: without www or other names in front.",
            examples=["example.org"],
        ),
    ]
    warning_days: Annotated[Days, Meta(description="Degraded when it ends in so many days or fewer.")] = 30
    critical_days: Annotated[Days, Meta(description="Down when it ends in so many days or fewer.")] = 7
    rdap_url: Annotated[
        str,
        Meta(
            max_length=2_048,
            pattern=r"^([Hh][Tt][Tt][Pp][Ss]?://[^\s@/?#]+(?:/[^\s?#]*)?)?$",
            description="An RDAP server, or with .json at its end the list of them; empty: WHOIS only.",
        ),
    ] = "https://data.iana.org/rdap/dns.json"
    whois_server: Annotated[
        Host | None, Meta(description="Asked when RDAP does not say; it may refer to another. Null: RDAP only.")
    ] = "whois.iana.org"
    whois_port: Port = 43
    assertions: Assertions = []

    def __post_init__(self) -> None:
        """Raises ValueError when there is no server to query."""
        if not (self.rdap_url or self.whois_server):
            raise ValueError("needs an `rdap_url` or a `whois_server`")
