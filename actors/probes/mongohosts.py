"""Where a MongoDB is: hosts from fields, from a connection string, or from DNS for `mongodb+srv`."""

import re
from urllib.parse import parse_qsl, unquote

import dns.asyncresolver
import dns.exception
import dns.resolver
from msgspec import Struct

from actors.probes.dns_messages import bounded
from actors.probes.seen import Failed, Unsure
from schema.targets import Mongodb

FORM = re.compile(r"(mongodb(?:\+srv)?)://(?:([^@/]*)@)?([^/?@]+)(?:/([^?]*))?(?:\?(.*))?")
PORT = 27_017
KNOWN = frozenset({"authsource", "tls", "ssl"})
# True of clients that stay; a check asks one host once.
NO_MATTER = frozenset(
    {
        "appname",
        "connecttimeoutms",
        "directconnection",
        "journal",
        "loadbalanced",
        "maxidletimems",
        "maxpoolsize",
        "maxstalenessseconds",
        "minpoolsize",
        "readconcernlevel",
        "readpreference",
        "replicaset",
        "retryreads",
        "retrywrites",
        "serverselectiontimeoutms",
        "sockettimeoutms",
        "w",
        "waitqueuetimeoutms",
        "wtimeoutms",
    }
)
MOST_HOSTS = 20


class Cluster(Struct, frozen=True):
    """Hosts in the order in which they are asked, and who asks."""

    hosts: list[tuple[str, int]]
    username: str
    password: str
    auth_database: str
    database: str
    tls: bool


async def cluster_of(target: Mongodb) -> Cluster:
    """Raises Unsure for a connection string that can't be read, Failed when DNS has no hosts for it."""
    if target.connection_string:
        return await _parsed(target)
    hosts = [(target.host, target.port)]
    return Cluster(
        hosts, target.username, target.password, target.auth_database, target.database or "admin", target.tls
    )


async def _parsed(target: Mongodb) -> Cluster:
    found = FORM.fullmatch(target.connection_string.strip())
    if found is None:
        raise Unsure("the connection string must look like mongodb://user:password@host:port/database")
    scheme, user, hosts, database, query = (one or "" for one in found.groups())
    options = {name.lower(): value for name, value in parse_qsl(query)}
    if options.get("authmechanism", "").startswith("SCRAM-"):
        del options["authmechanism"]  # which of them, the server says
    if unknown := sorted(options.keys() - KNOWN - NO_MATTER):
        raise Unsure(f"the connection string asks for what checks don't know: {', '.join(unknown)[:80]}")
    by_name = scheme.endswith("+srv")
    username, _, password = user.partition(":")
    return Cluster(
        await _published(hosts) if by_name else [_host(one) for one in hosts.split(",")[:MOST_HOSTS]],
        unquote(username),
        unquote(password),
        options.get("authsource") or unquote(database) or target.auth_database,
        target.database or unquote(database) or "admin",
        options.get("tls", options.get("ssl", str(by_name or target.tls))).lower() == "true",
    )


def _host(text: str) -> tuple[str, int]:
    found = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^\[\]:]+)(?::(\d{1,5}))?", text)
    if found is None:
        raise Unsure("the connection string names a host that is none")
    return found.group(1).strip("[]"), int(found.group(2) or PORT)


async def _published(name: str) -> list[tuple[str, int]]:
    """The hosts that DNS has for a name. They have to be of its own domain."""
    try:
        answer = await bounded(dns.asyncresolver.Resolver()).resolve(f"_mongodb._tcp.{name}", "SRV", search=False)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer) as error:
        raise Failed(f"DNS has no hosts for {name}") from error
    except (dns.exception.DNSException, OSError) as error:
        raise Unsure(f"the hosts of {name} could not be looked up") from error
    domain = "." + name.split(".", 1)[-1].lower()
    hosts = [(str(one.target).rstrip(".").lower(), int(one.port)) for one in answer]
    if not all(host.endswith(domain) for host, _ in hosts):
        raise Failed(f"DNS names hosts for {name} that are of another domain")
    return hosts[:MOST_HOSTS]
