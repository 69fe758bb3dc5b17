"""MongoDB's connection strings: several hosts, or one name that DNS has the hosts of. Pure."""

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl

from msgspec import Struct

from app.domain.connections.options import FIELD, MONGODB
from app.domain.connections.uris import MOST_PORTS, Encryption, decoded, host_of, truth
from app.domain.parsing.invalid_field import InvalidField
from schema.targets import Mongodb

FORM = re.compile(r"(mongodb(?:\+srv)?)://(?:([^@/]*)@)?([^/?@]+)(?:/([^?]*))?(?:\?(.*))?", re.DOTALL | re.IGNORECASE)
PLACE = re.compile(r"(\[[0-9a-fA-F:.%]+\]|[^\[\]:]+)(?::(\d{1,5}))?")
PORT = 27_017
SERVICE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,13}[A-Za-z0-9])?")
MOST_HOSTS = 20
UNCHECKED = ("tlsinsecure", "tlsallowinvalidcertificates", "tlsallowinvalidhostnames", "sslallowinvalidcertificates")


class Cluster(Struct, frozen=True):
    """Hosts in the order in which they are asked, and who asks.

    service    hosts has one name, and DNS the hosts under it: this is what they are called there
    """

    hosts: list[tuple[str, int]]
    username: str
    password: str
    auth_database: str
    database: str
    encryption: Encryption
    service: str = ""


def cluster_of(target: Mongodb) -> Cluster:
    """Raises InvalidField for a connection string that can't be read."""
    if target.connection_string:
        return _parsed(target)
    ignored = target.ignore_tls_errors
    return Cluster(
        [(target.host, target.port)],
        target.username,
        target.password,
        target.auth_database,
        target.database or "admin",
        Encryption(target.tls, verifies=not ignored, checks_name=not ignored),
    )


def _parsed(target: Mongodb) -> Cluster:
    found = FORM.fullmatch(target.connection_string.strip())
    if found is None:
        raise InvalidField(FIELD, "must look like mongodb://user:password@host:port/database")
    scheme, user, hosts, database, query = (one or "" for one in found.groups())
    options = MONGODB.chosen(parse_qsl(query, keep_blank_values=True))
    _refuse_other_sign_ins(options)
    by_name = scheme.lower().endswith("+srv")
    username, _, password = user.partition(":")
    named = decoded(database)
    return Cluster(
        [_published(hosts)] if by_name else _hosts(hosts),
        decoded(username),
        decoded(password),
        options.get("authsource") or named or target.auth_database,
        target.database or named or "admin",
        _encryption(target, options, usual=by_name or target.tls),
        _service(options) if by_name else "",
    )


def _refuse_other_sign_ins(options: Mapping[str, str]) -> None:
    """Which SCRAM it is, the server says."""
    if not options.get("authmechanism", "SCRAM-").upper().startswith(("SCRAM-", "DEFAULT")):
        raise InvalidField(FIELD, "must have an authMechanism of SCRAM-SHA-1 or SCRAM-SHA-256, or none")


def _encryption(target: Mongodb, options: Mapping[str, str], *, usual: bool) -> Encryption:
    wanted = usual
    for name in ("ssl", "tls"):
        wanted = truth(options[name], name) if name in options else wanted
    ignored = target.ignore_tls_errors
    for name in UNCHECKED:
        ignored = ignored or (name in options and truth(options[name], name))
    return Encryption(wanted, verifies=not ignored, checks_name=not ignored)


def _hosts(text: str) -> list[tuple[str, int]]:
    found = text.split(",")
    if len(found) > MOST_HOSTS:
        raise InvalidField(FIELD, f"must name at most {MOST_HOSTS} hosts")
    return [_host(one) for one in found]


def _host(text: str) -> tuple[str, int]:
    found = PLACE.fullmatch(text)
    if found is None:
        raise InvalidField(FIELD, "names a host that is none")
    port = int(found.group(2) or PORT)
    if not 0 < port <= MOST_PORTS:
        raise InvalidField(FIELD, f"must have ports from 1 to {MOST_PORTS}")
    return host_of(found.group(1)), port


def _published(name: str) -> tuple[str, int]:
    """The name that DNS has the hosts of; the port is theirs."""
    if ":" in name or "," in name:
        raise InvalidField(FIELD, "must have one name without a port behind mongodb+srv://")
    return host_of(name), PORT


def _service(options: Mapping[str, str]) -> str:
    name = options.get("srvservicename") or "mongodb"
    if not SERVICE.fullmatch(name):
        raise InvalidField(FIELD, "must have a srvServiceName of letters, digits and hyphens")
    return name
