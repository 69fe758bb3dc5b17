"""Parses registries' responses about a domain: RDAP's JSON and WHOIS's text. Pure."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from msgspec import Struct

SHOWN_CHARS = 200  # characters of a registrar's name
MAX_STATES = 20
MAX_DATES = 20  # to try in each response
MAX_LINES, MAX_LINE_CHARS = 5_000, 500  # of WHOIS, and characters of each
EXPIRY_EVENTS = ("expiration", "registrar expiration", "soft expiration")  # RFC 9083; the first one present counts
EXPIRY_NAMES = frozenset(
    {
        *("registry expiry date", "registrar registration expiration date", "expiry date", "expiration date"),
        *("expiration time", "expires on", "expires", "expire", "expire date", "expire-date", "expiry", "expiration"),
        *("paid-till", "renewal date", "valid until", "validity", "domain_datebilleduntil", "record expires on"),
    }
)
REFERRAL_NAMES = frozenset({"refer", "whois", "whois server", "registrar whois server"})
REGISTRAR_NAMES = frozenset({"registrar", "registrar name"})
ABSENT_TEXTS = (
    *("no match", "not found", "no entries found", "no data found", "nothing found", "domain not found"),
    *("no object found", "the queried object does not exist", "object does not exist", "status: free"),
)
DATE_PATTERN = re.compile(
    r"\d{4}[-./]\d\d[-./]\d\d|\d\d[-./]\w{2,9}[-./]\d{4}|\d{8}|\d\d? \w{3,9} \d{4}|\w{3,9} \d\d? \d{4}"
)
DATE_FORMATS = (
    "%Y-%m-%d",
    "%d-%b-%Y",
    "%Y.%m.%d",
    "%d.%m.%Y",
    "%Y/%m/%d",
    "%d/%m/%Y",
    "%Y%m%d",
    "%d %B %Y",
    "%B %d %Y",
)


class DomainRegistration(Struct, frozen=True):
    """When a domain expires, the source of that, and other facts."""

    ends_at: datetime
    source: str
    registrar: str = ""
    states: list[str] = []


def parse_rdap(response: Any) -> DomainRegistration | None:
    """Parse an RDAP response; None without an expiry date."""
    if not isinstance(response, dict):
        return None
    events = {str(one.get("eventAction")).lower(): str(one.get("eventDate")) for one in _dicts(response.get("events"))}
    ends = [at for name in EXPIRY_EVENTS if (at := parse_date(events.get(name, "")))]
    states = [str(one)[:SHOWN_CHARS] for one in _as_list(response.get("status"))[:MAX_STATES]]
    return DomainRegistration(ends[0], "rdap", _registrar(response), states) if ends else None


def _registrar(response: dict[str, Any]) -> str:
    """The name on the registrar's card (RFC 7095); empty without one."""
    for entity in _dicts(response.get("entities")):
        match entity:
            case {"roles": [*roles], "vcardArray": [_, [*card]]} if "registrar" in roles:
                names = [name for one in card for name in _full_name(one)]
                return names[0][:SHOWN_CHARS] if names else ""
    return ""


def _full_name(field: Any) -> list[str]:
    match field:
        case ["fn", _, _, str() as name]:
            return [name]
    return []


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _dicts(value: Any) -> Iterator[dict[str, Any]]:
    return (one for one in _as_list(value) if isinstance(one, dict))


def rdap_server(bootstrap: Any, domain: str) -> str:
    """The RDAP server for a domain in IANA's list (RFC 9224), https preferred; empty without one."""
    top = domain.rpartition(".")[2].lower()
    services = bootstrap.get("services") if isinstance(bootstrap, dict) else None
    for service in _as_list(services):
        match service:
            case [[*tops], [*urls]] if top in tops and urls:
                return str(next((one for one in urls if str(one).startswith("https:")), urls[0]))
    return ""


def parse_whois(text: str) -> DomainRegistration | None:
    """Parse a WHOIS response; None without an expiry date."""
    ends = [at for value in islice(_values_named(text, EXPIRY_NAMES), MAX_DATES) if (at := parse_date(value))]
    return (
        DomainRegistration(ends[0], "whois", next(_values_named(text, REGISTRAR_NAMES), "")[:SHOWN_CHARS])
        if ends
        else None
    )


def referral_server(text: str) -> str:
    """The server that a WHOIS response refers to; empty without one."""
    return next(_values_named(text, REFERRAL_NAMES), "").removeprefix("whois://").rstrip("/").lower()


def is_absent(text: str) -> bool:
    """Whether a WHOIS response says that there is no such domain."""
    return any(" ".join(line.lower().split()).lstrip("%>*# ").startswith(ABSENT_TEXTS) for line in _lines(text))


def _values_named(text: str, names: frozenset[str]) -> Iterator[str]:
    """The values of `name: value` and `[name] value` for these names."""
    for line in _lines(text):
        name, _, value = line[1:].partition("]") if line.startswith("[") else line.partition(":")
        if name.strip(" .*\t").lower() in names and value.strip():
            yield value.strip()


def _lines(text: str) -> list[str]:
    return [line[:MAX_LINE_CHARS].strip() for line in text.split("\n", MAX_LINES)[:MAX_LINES]]


def parse_date(text: str) -> datetime | None:
    """A date in any of the registries' formats, UTC without a zone. None for anything else."""
    text = text.strip()
    for form in ("", *DATE_FORMATS):
        day = DATE_PATTERN.match(text)
        try:
            at = datetime.strptime(day[0] if day else "", form) if form else datetime.fromisoformat(text)  # noqa: DTZ007  # registries give no zone
            return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        except (ValueError, OverflowError):
            continue
    return None
