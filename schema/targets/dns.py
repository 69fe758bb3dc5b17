"""Targets that are DNS names."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from schema.assertions import Assertions
from schema.field_types import Host, Port, Restricted
from schema.targets.encryption import IgnoreTlsErrors, TlsCa, TlsCert, TlsKey


class RecordType(StrEnum):
    """DNS record types that a check may query: all of dnspython but those that are no records (ANY, AXFR)."""

    A = "A"
    A6 = "A6"
    AAAA = "AAAA"
    AFSDB = "AFSDB"
    AMTRELAY = "AMTRELAY"
    APL = "APL"
    AVC = "AVC"
    BRID = "BRID"
    CAA = "CAA"
    CDNSKEY = "CDNSKEY"
    CDS = "CDS"
    CERT = "CERT"
    CNAME = "CNAME"
    CSYNC = "CSYNC"
    DHCID = "DHCID"
    DLV = "DLV"
    DNAME = "DNAME"
    DNSKEY = "DNSKEY"
    DS = "DS"
    DSYNC = "DSYNC"
    EUI48 = "EUI48"
    EUI64 = "EUI64"
    GPOS = "GPOS"
    HHIT = "HHIT"
    HINFO = "HINFO"
    HIP = "HIP"
    HTTPS = "HTTPS"
    IPSECKEY = "IPSECKEY"
    ISDN = "ISDN"
    KEY = "KEY"
    KX = "KX"
    L32 = "L32"
    L64 = "L64"
    LOC = "LOC"
    LP = "LP"
    MB = "MB"
    MD = "MD"
    MF = "MF"
    MG = "MG"
    MINFO = "MINFO"
    MR = "MR"
    MX = "MX"
    NAPTR = "NAPTR"
    NID = "NID"
    NINFO = "NINFO"
    NS = "NS"
    NSAP = "NSAP"
    NSAP_PTR = "NSAP-PTR"
    NSEC = "NSEC"
    NSEC3 = "NSEC3"
    NSEC3PARAM = "NSEC3PARAM"
    NULL = "NULL"
    NXT = "NXT"
    OPENPGPKEY = "OPENPGPKEY"
    PTR = "PTR"
    PX = "PX"
    RESINFO = "RESINFO"
    RP = "RP"
    RRSIG = "RRSIG"
    RT = "RT"
    SIG = "SIG"
    SMIMEA = "SMIMEA"
    SOA = "SOA"
    SPF = "SPF"
    SRV = "SRV"
    SSHFP = "SSHFP"
    SVCB = "SVCB"
    TA = "TA"
    TLSA = "TLSA"
    TXT = "TXT"
    URI = "URI"
    WALLET = "WALLET"
    WKS = "WKS"
    X25 = "X25"
    ZONEMD = "ZONEMD"


class DnsTransport(StrEnum):
    """How a name server is queried."""

    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"
    HTTPS = "https"


IpAddress = Annotated[str, Meta(max_length=45, description="IP address.")]


class Dns(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="dns"):
    """A DNS name: checks that it resolves, and to which records, on one or several servers.

    Document 002 calls `host` `domain` (with `subdomain` in front), `resolve_type` `record_type`, `expected`
    `expected_value`, `resolver_server` `nameserver`, `authoritative` `check_authoritative`, `dnssec` `check_dnssec`;
    its `check_propagation` is whether there are `resolvers`.
    """

    host: Host
    resolve_type: Annotated[RecordType, Meta(description="Record type to query.")] = RecordType.A
    resolver_server: Annotated[
        str, Meta(max_length=45, description="IP address of the name server. Empty: the system's resolver.")
    ] = ""
    port: Annotated[Port | None, Meta(description="Port of the name server. Default: 53, or 853 for TLS.")] = None
    transport: Annotated[
        DnsTransport, Meta(description="Transport of the query. `udp` falls back to TCP for long responses.")
    ] = DnsTransport.UDP
    resolver_name: Annotated[
        str,
        Meta(max_length=253, description="Name in the certificate of the name server, for TLS. Empty: its IP address."),
    ] = ""
    resolver_url: Annotated[
        str,
        Meta(
            max_length=2_048,
            pattern=r"^([Hh][Tt][Tt][Pp][Ss]://[^\s@/?#]+(?:[/?#]\S*)?)?$",
            extra={"restricted": Restricted.PATH},
            description="URL of the name server for DNS over HTTPS. Viewers see only its scheme and host.",
        ),
    ] = ""
    ignore_tls_errors: IgnoreTlsErrors = False
    tls_cert: TlsCert = ""
    tls_key: TlsKey = ""
    tls_ca: TlsCa = ""
    expected: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=512)]],
        Meta(max_length=20, description="Values that must all be in the response."),
    ] = []
    authoritative: Annotated[bool, Meta(description="Degraded unless the response is authoritative (AA).")] = False
    dnssec: Annotated[bool, Meta(description="Down unless the server validated the response with DNSSEC (AD).")] = False
    resolvers: Annotated[
        list[IpAddress],
        Meta(max_length=20, description="IP addresses of name servers to compare, to check propagation."),
    ] = []
    propagation_threshold: Annotated[
        float,
        Meta(
            ge=0,
            le=100,
            description="Percent of `resolvers` that must return the same records; degraded from 0.7 of it, else down.",
        ),
    ] = 80
    assertions: Assertions = []

    def __post_init__(self) -> None:
        """Raises ValueError for fields that contradict each other."""
        if (self.transport is DnsTransport.HTTPS) != bool(self.resolver_url):
            raise ValueError("`transport` https and `resolver_url` go together")
        if self.resolver_url and (self.resolver_server or self.resolvers):
            raise ValueError("`resolver_url` can't be had with `resolver_server` or `resolvers`")
        if self.transport in {DnsTransport.TCP, DnsTransport.TLS} and not self.resolver_server:
            raise ValueError("`transport` tcp and tls need a `resolver_server`")
