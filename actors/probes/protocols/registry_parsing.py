"""Parses registries' responses about a domain: RDAP's JSON and WHOIS's text. Pure."""

import re
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Any

from msgspec import Struct

from actors.probes.protocols.registry_dates import is_month_first, parse_date

SHOWN_CHARS = 200  # characters of a registrar's name
MAX_STATES = 20
MAX_DATES = 20  # to try in each response
MAX_DATES_CHARS = 100_000  # of a response, in which to look for dates that show the order of day and month
MAX_LINES, MAX_LINE_CHARS = 5_000, 500  # of WHOIS, and characters of each
EXPIRY_EVENTS = ("expiration", "registrar expiration", "soft expiration")  # RFC 9083; the first one present counts
EXPIRY_NAMES = frozenset(
    {
        *("registry expiry date", "registrar registration expiration date", "expiry date", "expiration date"),
        *("expiration time", "expires on", "expires at", "expires", "expire", "expired", "expire date", "expire-date"),
        *("expiry", "expiration", "exp date", "record expired", "record expires on", "record will expire on"),
        *("domain expires", "domain currently expires", "domain expiry date", "domain expiration date"),
        *("paid-till", "renewal", "renewal date", "date_renewal", "renewal/expires on", "domain_datebilleduntil"),
        *("valid until", "valid-date", "validity", "registered until"),
        *("fecha de vencimiento", "fecha de expiración", "data de expiração", "date d'expiration"),
    }
)
STATE_NAMES = frozenset({"state", "status"})
STATE_UNTIL = re.compile(r"(?:ok-until|connected)\s+\(?(.*)", re.IGNORECASE)  # of .ua and .ne.jp: a state with its end
REFERRAL_NAMES = frozenset({"refer", "whois", "whois server", "registrar whois server"})
REGISTRAR_NAMES = frozenset({"registrar", "registrar name"})
ABSENT_TEXTS = (
    *("no match", "not found", "no entries found", "no data found", "nothing found", "domain not found"),
    *("no object found", "the queried object does not exist", "object does not exist", "status: free"),
)
# `name: value`, `[name] value`, with a letter before it `d [name] value`, and without any sign a few well-known names
_NAMED = re.compile(
    r"(?:[a-z]\.?\s+)?\[(?P<bracketed>[^\]]+)\](?P<of_bracketed>.*)"
    r"|(?P<bare>record expires on|valid-date)\s(?P<of_bare>.*)"
    r"|(?P<name>[^:]+):(?P<value>.*)",
    re.IGNORECASE,
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
    month_first = is_month_first(text[:MAX_DATES_CHARS])
    dates = (parse_date(value, month_first=month_first) for value in islice(_expiry_values(text), MAX_DATES))
    ends_at = next((at for at in dates if at), None)
    if ends_at is None:
        return None
    return DomainRegistration(ends_at, "whois", next(_values_named(text, REGISTRAR_NAMES), "")[:SHOWN_CHARS])


def _expiry_values(text: str) -> Iterator[str]:
    """The values that may be an expiry date, in their order, those inside of a state last."""
    yield from _values_named(text, EXPIRY_NAMES)
    for state in _values_named(text, STATE_NAMES):
        if until := STATE_UNTIL.match(state):
            yield until[1]


def referral_server(text: str) -> str:
    """The server that a WHOIS response refers to; empty without one."""
    return next(_values_named(text, REFERRAL_NAMES), "").removeprefix("whois://").rstrip("/").lower()


def is_absent(text: str) -> bool:
    """Whether a WHOIS response says that there is no such domain."""
    return any(" ".join(line.lower().split()).lstrip("%>*# ").startswith(ABSENT_TEXTS) for line in _lines(text))


def _values_named(text: str, names: frozenset[str]) -> Iterator[str]:
    """The values of lines with one of these names; when there is none on the line, the next line."""
    lines = _lines(text)
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        match = _NAMED.match(line)
        if match and not names.isdisjoint(_plain_names(match["bracketed"] or match["bare"] or match["name"])):
            value = (match["of_bracketed"] or match["of_bare"] or match["value"] or "").strip() or following
            if value:
                yield value


def _plain_names(name: str) -> Iterator[str]:
    """A name in lower case without dots and format, and each of its languages, as in `Data / Date (d/m/y)`."""
    plain = " ".join(name.partition("(")[0].lower().strip(" .*\t").split())
    yield plain
    yield from plain.split(" / ")


def _lines(text: str) -> list[str]:
    return [line[:MAX_LINE_CHARS].strip() for line in text.split("\n", MAX_LINES)[:MAX_LINES]]
