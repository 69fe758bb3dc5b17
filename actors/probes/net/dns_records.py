"""DNS records as text, and in a normalized form for comparison. Pure."""

from ipaddress import ip_address

from dns.rdata import Rdata
from dns.rdtypes.txtbase import TXTBase

from schema.targets import RecordType

ADDRESSES = frozenset({RecordType.A, RecordType.AAAA})
PRINTABLE = range(0x20, 0x7F)
SORTED_FIELDS = 4  # numbers in front: no type has more that define an order
MAX_DIGITS, AFTER_NUMBERS = 10, 1 << 40  # of a number in a record; sorts after any of them
VERBATIM = frozenset(  # texts and keys, where case matters
    {
        *(RecordType.TXT, RecordType.SPF, RecordType.AVC, RecordType.NINFO, RecordType.RESINFO, RecordType.WALLET),
        *(RecordType.CAA, RecordType.HINFO, RecordType.NAPTR, RecordType.URI, RecordType.SVCB, RecordType.HTTPS),
        *(RecordType.KEY, RecordType.DNSKEY, RecordType.CDNSKEY, RecordType.SIG, RecordType.RRSIG, RecordType.CERT),
        *(RecordType.OPENPGPKEY, RecordType.IPSECKEY, RecordType.DHCID, RecordType.HIP),
    }
)


def record_text(record: Rdata) -> str:
    """A record in its usual notation: MX `10 mail.`, SRV `1 5 443 host.`, CAA `0 issue "ca"`, TXT joined."""
    if isinstance(record, TXTBase):
        return _text(b"".join(record.strings))
    return str(record.to_text())


def _text(data: bytes) -> str:
    """UTF-8 text, or other bytes as three digits, as in a zone file."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return "".join(chr(one) if one in PRINTABLE else f"\\{one:03}" for one in data)


def normalize(text: str, kind: RecordType) -> str:
    """One spelling for equal records: case and trailing dots of names, zeros of IPv6 addresses."""
    if kind in VERBATIM:
        return text
    if kind in ADDRESSES:
        return canonical_address(text) or text
    return " ".join(part.rstrip(".") for part in text.lower().split())


def sort_records(records: list[str], kind: RecordType) -> list[str]:
    """The records in a stable order, since servers may rotate them: numbers by size, so that the most preferred MX
    comes first, and names by their letters.
    """
    if kind in ADDRESSES:
        return sorted(records, key=lambda one: (len(packed := ip_address(one).packed), packed))
    return sorted(records) if kind in VERBATIM else sorted(records, key=_sort_key)


def _sort_key(record: str) -> list[tuple[int, str]]:
    """Numbers before words, each by its own order."""
    parts = record.lower().split(maxsplit=SORTED_FIELDS)
    return [
        (int(one), "") if one.isascii() and one.isdigit() and len(one) <= MAX_DIGITS else (AFTER_NUMBERS, one)
        for one in parts
    ]


def canonical_address(text: str) -> str:
    """An IP address in its canonical form; empty for anything else."""
    try:
        return str(ip_address(text))
    except ValueError:
        return ""
