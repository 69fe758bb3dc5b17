"""Targets that are registered domains."""

from typing import Annotated

from msgspec import Meta, Struct

from schema.assertions import Assertions
from schema.field_types import Host, Port

Days = Annotated[int, Meta(ge=0, le=3_650)]


class Domain(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="domain"):
    """A registered domain: checks when it expires."""

    domain: Annotated[
        str,
        Meta(
            max_length=253,
            pattern=r"^[^\s./:@?#]+(\.[^\s./:@?#]+)+$(?!\n)",
            description="Registered domain, without www or other subdomains.",
            examples=["example.org"],
        ),
    ]
    warning_days: Annotated[Days, Meta(description="Degraded when the domain expires within this number of days.")] = 30
    critical_days: Annotated[Days, Meta(description="Down when the domain expires within this number of days.")] = 7
    rdap_url: Annotated[
        str,
        Meta(
            max_length=2_048,
            pattern=r"^([Hh][Tt][Tt][Pp][Ss]?://[^\s@/?#]+(?:/[^\s?#]*)?)?$",
            description="URL of an RDAP server, or of a list of servers (ends in .json). Empty: WHOIS only.",
        ),
    ] = "https://data.iana.org/rdap/dns.json"
    whois_server: Annotated[
        Host | None,
        Meta(description="WHOIS server, queried if RDAP returns no date; referrals are followed. null: RDAP only."),
    ] = "whois.iana.org"
    whois_port: Annotated[Port, Meta(description="Port of the WHOIS server.")] = 43
    assertions: Assertions = []

    def __post_init__(self) -> None:
        """Raises ValueError when there is no server to query."""
        if not (self.rdap_url or self.whois_server):
            raise ValueError("needs an `rdap_url` or a `whois_server`")
