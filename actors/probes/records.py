"""DNS records as people write them, and when two of them mean the same. Pure."""

from ipaddress import ip_address

from dns.rdata import Rdata
from dns.rdtypes.txtbase import TXTBase

from schema.targets import RecordType

ADDRESSES = frozenset({RecordType.A, RecordType.AAAA})
VERBATIM = frozenset(  # texts and keys, where case counts
    {
        *(RecordType.TXT, RecordType.SPF, RecordType.AVC, RecordType.NINFO, RecordType.RESINFO, RecordType.WALLET),
        *(RecordType.CAA, RecordType.HINFO, RecordType.NAPTR, RecordType.URI, RecordType.SVCB, RecordType.HTTPS),
        *(RecordType.KEY, RecordType.DNSKEY, RecordType.CDNSKEY, RecordType.SIG, RecordType.RRSIG, RecordType.CERT),
        *(RecordType.OPENPGPKEY, RecordType.IPSECKEY, RecordType.DHCID, RecordType.HIP),
    }
)


def shown(record: Rdata) -> str:
    """A record as people write it: MX `10 mail.`, SRV `1 5 443 host.`, CAA `0 issue "ca"`, TXT joined."""
    if isinstance(record, TXTBase):
        return b"".join(record.strings).decode("utf-8", errors="replace")
    return str(record.to_text())


def comparable(text: str, kind: RecordType) -> str:
    """One spelling for what means the same: case and last dots of names, zeros of IPv6 addresses."""
    if kind in VERBATIM:
        return text
    if kind in ADDRESSES:
        return address_of(text) or text
    return " ".join(part.rstrip(".") for part in text.lower().split())


def address_of(text: str) -> str:
    """An IP address in its usual form; empty for what is none."""
    try:
        return str(ip_address(text))
    except ValueError:
        return ""
