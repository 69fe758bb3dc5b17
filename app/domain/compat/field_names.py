"""Converts configs to and from document 002's field names, with the timeout inside of the config. Pure.

Requests may use either spelling; responses use the document's.
"""

import re
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from app.errors import Invalid
from schema.errors import FieldError

TIMEOUT = "timeout"
NAMES_BY_TYPE: dict[str, dict[str, str]] = {  # type → our field → the document's
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
CHECK_FIELDS = {  # a monitor's field → the check's
    "type": "plugin_type",
    "active": "enabled",
    "interval": "schedule",
    "cron": "schedule",
    "timeout": "config.timeout",
}
PROPAGATION = "check_propagation"
PUBLIC_RESOLVERS = (  # the document's defaults: two of each of four providers
    "8.8.8.8",
    "8.8.4.4",
    "1.1.1.1",
    "1.0.0.1",
    "9.9.9.9",
    "149.112.112.112",
    "208.67.222.222",
    "208.67.220.220",
)
SECURITY_SWITCHES = {"use_ssl": "tls", "use_tls": "starttls"}  # the document's two switches → our one choice
URL_PATTERN = re.compile(
    r"[a-z][a-z0-9+.-]*://(?:\[([^\]]+)\]|([^/:?#@]+))(?::([0-9]{1,5}))?(?:[/?#].*)?", re.IGNORECASE
)


def to_monitor_config(type_: str, config: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    """(the monitor's config, the timeout of the check's config or UNSET). Nothing is validated."""
    our_names = {their_name: our_name for our_name, their_name in NAMES_BY_TYPE.get(type_, {}).items()}
    fields = {our_names.get(name, name): value for name, value in config.items() if name != TIMEOUT}
    if type_ == "dns":
        fields = _dns_config(fields)
    if type_ == "ssl" and isinstance(host := fields.get("host"), str):
        fields |= _host_and_port(host, fields)
    if type_ == "mail":
        fields = _mail_config(fields)
    return fields, config.get(TIMEOUT, UNSET)


def to_check_config(target: Struct, timeout_s: float | UnsetType = UNSET) -> dict[str, Any]:
    """A monitor's config as its check's."""
    config = msgspec.to_builtins(target)
    type_ = config.pop("type")
    names = NAMES_BY_TYPE.get(type_, {})
    fields = {names.get(name, name): value for name, value in config.items()}
    if type_ == "mail":
        chosen = fields.pop("security")
        fields |= {switch: chosen == choice for switch, choice in SECURITY_SWITCHES.items()}
    if type_ == "dns":
        fields[PROPAGATION] = bool(fields["resolvers"])
    return fields if timeout_s is UNSET else {**fields, TIMEOUT: timeout_s}


def result_facts(detail: dict[str, Any] | None) -> dict[str, Any]:
    """A heartbeat's detail as a result's: response headers are `headers`, with lower-case names."""
    facts = detail or {}
    headers = facts.get("response_headers", facts.get("headers"))
    if not isinstance(headers, dict):
        return facts
    return {**facts, "headers": {name.lower(): value for name, value in headers.items()}}


def with_check_fields(type_: str, invalid: Invalid) -> Invalid:
    """The same error with the check's field names."""
    return Invalid([FieldError(_check_field(type_, error.field), error.message) for error in invalid.fields])


def _check_field(type_: str, field: str) -> str:
    head, _, rest = field.partition(".")
    if head != "config":
        return CHECK_FIELDS.get(field, field)
    our_name, dot, subfield = rest.partition(".")
    return f"config.{NAMES_BY_TYPE.get(type_, {}).get(our_name, our_name)}{dot}{subfield}" if our_name else head


def _dns_config(config: dict[str, Any]) -> dict[str, Any]:
    """One host, a list of values, resolvers by address; `max_workers` is ignored."""
    fields = {name: value for name, value in config.items() if name not in {"subdomain", PROPAGATION, "max_workers"}}
    if isinstance(fields.get("expected"), str):
        fields["expected"] = [fields["expected"]]
    if config.get("subdomain"):
        fields["host"] = f"{config['subdomain']}.{fields.get('host', '')}"
    if isinstance(resolvers := fields.get("resolvers"), list):
        fields["resolvers"] = [
            resolver.get("ip", resolver) if isinstance(resolver, dict) else resolver for resolver in resolvers
        ]
    if PROPAGATION in config and not config[PROPAGATION]:
        fields.pop("resolvers", None)
    elif config.get(PROPAGATION) and not fields.get("resolvers"):
        fields["resolvers"] = list(PUBLIC_RESOLVERS)
    return fields


def _host_and_port(host: str, config: dict[str, Any]) -> dict[str, Any]:
    """Host and port of a URL; any other host stays, and so does a given port."""
    match = URL_PATTERN.fullmatch(host)
    if match is None:
        return {}
    v6, name, port = match.groups()
    return {"host": v6 or name} | ({"port": int(port)} if port and "port" not in config else {})


def _mail_config(config: dict[str, Any]) -> dict[str, Any]:
    """`security` in place of two switches; a switch that is no boolean stays, and is rejected by validation."""
    switches = [name for name in SECURITY_SWITCHES if isinstance(config.get(name), bool)]
    chosen = next((SECURITY_SWITCHES[name] for name in switches if config[name]), "none")
    rest = {name: value for name, value in config.items() if name not in switches}
    return {"security": chosen, **rest} if switches else rest
