"""Connection strings of MongoDB: several hosts, or one name with its hosts in DNS. Pure."""

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl

from msgspec import Struct

from app.domain.connections.options import FIELD, MONGODB
from app.domain.connections.uris import MAX_PORT, Encryption, parse_bool, parse_host, percent_decode
from app.domain.parsing.invalid_field import InvalidField
from schema.targets import Mongodb

URI_PATTERN = re.compile(
    r"(mongodb(?:\+srv)?)://(?:([^@/]*)@)?([^/?@]+)(?:/([^?]*))?(?:\?(.*))?", re.DOTALL | re.IGNORECASE
)
HOST_PATTERN = re.compile(r"(\[[0-9a-fA-F:.%]+\]|[^\[\]:]+)(?::(\d{1,5}))?")
DEFAULT_PORT = 27_017
SERVICE_NAME_PATTERN = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,13}[A-Za-z0-9])?")
MAX_HOSTS = 20
INSECURE_OPTIONS = (
    "tlsinsecure",
    "tlsallowinvalidcertificates",
    "tlsallowinvalidhostnames",
    "sslallowinvalidcertificates",
)


class Cluster(Struct, frozen=True):
    """Hosts in the order to try them, credentials and encryption.

    service    if set, `hosts` has one name, and DNS has its hosts as SRV records of this service
    """

    hosts: list[tuple[str, int]]
    username: str
    password: str
    auth_database: str
    database: str
    encryption: Encryption
    service: str = ""


def mongodb_cluster(target: Mongodb) -> Cluster:
    """The hosts and credentials of a target. Raises InvalidField for an invalid connection string."""
    if target.connection_string:
        return _parse_uri(target)
    verify = not target.ignore_tls_errors
    return Cluster(
        [(target.host, target.port)],
        target.username,
        target.password,
        target.auth_database,
        target.database or "admin",
        Encryption(target.tls, verify_certificate=verify, verify_hostname=verify),
    )


def _parse_uri(target: Mongodb) -> Cluster:
    found = URI_PATTERN.fullmatch(target.connection_string.strip())
    if found is None:
        raise InvalidField(FIELD, "must look like mongodb://user:password@host:port/database")
    scheme, user, hosts, database, query = (part or "" for part in found.groups())
    options = MONGODB.select(parse_qsl(query, keep_blank_values=True))
    _require_scram(options)
    is_srv = scheme.lower().endswith("+srv")
    username, _, password = user.partition(":")
    database = percent_decode(database)
    return Cluster(
        [_srv_name(hosts)] if is_srv else _hosts(hosts),
        percent_decode(username),
        percent_decode(password),
        options.get("authsource") or database or target.auth_database,
        target.database or database or "admin",
        _encryption(target, options, default=is_srv or target.tls),
        _srv_service_name(options) if is_srv else "",
    )


def _require_scram(options: Mapping[str, str]) -> None:
    """Raises InvalidField for other mechanisms; the server chooses the version of SCRAM."""
    if not options.get("authmechanism", "SCRAM-").upper().startswith(("SCRAM-", "DEFAULT")):
        raise InvalidField(FIELD, "must have an authMechanism of SCRAM-SHA-1 or SCRAM-SHA-256, or none")


def _encryption(target: Mongodb, options: Mapping[str, str], *, default: bool) -> Encryption:
    tls = default
    for name in ("ssl", "tls"):
        tls = parse_bool(options[name], name) if name in options else tls
    ignored = target.ignore_tls_errors
    for name in INSECURE_OPTIONS:
        ignored = ignored or (name in options and parse_bool(options[name], name))
    return Encryption(tls, verify_certificate=not ignored, verify_hostname=not ignored)


def _hosts(text: str) -> list[tuple[str, int]]:
    hosts = text.split(",")
    if len(hosts) > MAX_HOSTS:
        raise InvalidField(FIELD, f"must name at most {MAX_HOSTS} hosts")
    return [_host(host) for host in hosts]


def _host(text: str) -> tuple[str, int]:
    found = HOST_PATTERN.fullmatch(text)
    if found is None:
        raise InvalidField(FIELD, "has an invalid host")
    port = int(found.group(2) or DEFAULT_PORT)
    if not 0 < port <= MAX_PORT:
        raise InvalidField(FIELD, f"must have ports from 1 to {MAX_PORT}")
    return parse_host(found.group(1)), port


def _srv_name(name: str) -> tuple[str, int]:
    """The name of the SRV records, which have the ports of the hosts."""
    if ":" in name or "," in name:
        raise InvalidField(FIELD, "must have one name without a port after mongodb+srv://")
    return parse_host(name), DEFAULT_PORT


def _srv_service_name(options: Mapping[str, str]) -> str:
    name = options.get("srvservicename") or "mongodb"
    if not SERVICE_NAME_PATTERN.fullmatch(name):
        raise InvalidField(FIELD, "must have a srvServiceName of letters, digits and hyphens")
    return name
