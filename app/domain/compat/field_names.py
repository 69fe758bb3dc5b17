"""Configs in document 002's words: other names for some fields, and the monitor's timeout inside. Pure.

What a client may send in either spelling is returned in the document's.
"""

import re
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from app.errors import Invalid
from schema.errors import FieldError

TIMEOUT = "timeout"
NAMES_BY_TYPE: dict[str, dict[str, str]] = {  # the document's names of fields, by ours
    "dns": {
        "host": "domain",
        "resolve_type": "record_type",
        "resolver_server": "nameserver",
        "expected": "expected_value",
        "authoritative": "check_authoritative",
        "dnssec": "check_dnssec",
    },
    "ssl": {"host": "hostname"},
    "mail": {"host": "hostname"},
}
CHECK_FIELDS = {  # of a check, by those of a monitor
    "type": "plugin_type",
    "active": "enabled",
    "interval": "schedule",
    "cron": "schedule",
    "timeout": "config.timeout",
}
PROPAGATION = "check_propagation"
PUBLIC_RESOLVERS = (  # whom the document's program asks when nobody names any: two of each of four providers
    "8.8.8.8",
    "8.8.4.4",
    "1.1.1.1",
    "1.0.0.1",
    "9.9.9.9",
    "149.112.112.112",
    "208.67.222.222",
    "208.67.220.220",
)
SECURITY_SWITCHES = {"use_ssl": "tls", "use_tls": "starttls"}  # of a mail server: two switches there, one choice here
URL_PATTERN = re.compile(
    r"[a-z][a-z0-9+.-]*://(?:\[([^\]]+)\]|([^/:?#@]+))(?::([0-9]{1,5}))?(?:[/?#].*)?", re.IGNORECASE
)


def to_monitor_config(type_: str, config: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    """A check's config as its monitor's, and the timeout in it (UNSET when it has none). Nothing is validated."""
    ours = {theirs: own for own, theirs in NAMES_BY_TYPE.get(type_, {}).items()}
    found = {ours.get(name, name): value for name, value in config.items() if name != TIMEOUT}
    if type_ == "dns":
        found = _dns_config(found)
    if type_ == "ssl" and isinstance(host := found.get("host"), str):
        found |= _host_and_port(host, found)
    if type_ == "mail":
        found = _mail_config(found)
    return found, config.get(TIMEOUT, UNSET)


def to_check_config(target: Struct, timeout_s: float | UnsetType = UNSET) -> dict[str, Any]:
    """A monitor's config in the words of its check."""
    config = msgspec.to_builtins(target)
    type_ = config.pop("type")
    words = NAMES_BY_TYPE.get(type_, {})
    told = {words.get(name, name): value for name, value in config.items()}
    if type_ == "mail":
        chosen = told.pop("security")
        told |= {switch: chosen == meant for switch, meant in SECURITY_SWITCHES.items()}
    if type_ == "dns":
        told[PROPAGATION] = bool(told["resolvers"])
    return told if timeout_s is UNSET else {**told, TIMEOUT: timeout_s}


def result_facts(detail: dict[str, Any] | None) -> dict[str, Any]:
    """A heartbeat's facts as a result's: an answer's headers are `headers`, their names in small letters."""
    found = detail or {}
    headers = found.get("response_headers", found.get("headers"))
    if not isinstance(headers, dict):
        return found
    return {**found, "headers": {name.lower(): value for name, value in headers.items()}}


def with_check_fields(type_: str, refused: Invalid) -> Invalid:
    """The same refusal, with fields called as the client calls them."""
    return Invalid([FieldError(_check_field(type_, one.field), one.message) for one in refused.fields])


def _check_field(type_: str, field: str) -> str:
    head, _, rest = field.partition(".")
    if head != "config":
        return CHECK_FIELDS.get(field, field)
    own, dot, deeper = rest.partition(".")
    return f"config.{NAMES_BY_TYPE.get(type_, {}).get(own, own)}{dot}{deeper}" if own else head


def _dns_config(config: dict[str, Any]) -> dict[str, Any]:
    """One name, a list of values, servers by address; how many are asked at once is our own matter."""
    found = {name: value for name, value in config.items() if name not in {"subdomain", PROPAGATION, "max_workers"}}
    if isinstance(found.get("expected"), str):
        found["expected"] = [found["expected"]]
    if config.get("subdomain"):
        found["host"] = f"{config['subdomain']}.{found.get('host', '')}"
    if isinstance(resolvers := found.get("resolvers"), list):
        found["resolvers"] = [one.get("ip", one) if isinstance(one, dict) else one for one in resolvers]
    if PROPAGATION in config and not config[PROPAGATION]:
        found.pop("resolvers", None)
    elif config.get(PROPAGATION) and not found.get("resolvers"):
        found["resolvers"] = list(PUBLIC_RESOLVERS)
    return found


def _host_and_port(host: str, config: dict[str, Any]) -> dict[str, Any]:
    """Host and port of an address; a host that is none stays as it is, and so does a port that was given."""
    found = URL_PATTERN.fullmatch(host)
    if found is None:
        return {}
    v6, name, port = found.groups()
    return {"host": v6 or name} | ({"port": int(port)} if port and "port" not in config else {})


def _mail_config(config: dict[str, Any]) -> dict[str, Any]:
    """A choice in place of two switches; a switch that is neither on nor off stays, to be refused."""
    switches = [name for name in SECURITY_SWITCHES if isinstance(config.get(name), bool)]
    chosen = next((SECURITY_SWITCHES[name] for name in switches if config[name]), "none")
    rest = {name: value for name, value in config.items() if name not in switches}
    return {"security": chosen, **rest} if switches else rest
