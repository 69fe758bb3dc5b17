"""Finds the hosts of a MongoDB: from its config, or from DNS for `mongodb+srv`."""

import asyncio

import dns.asyncresolver
import dns.exception
import dns.resolver
import msgspec

from actors.probes.kit.result import CheckInconclusive, TargetFailed
from actors.probes.net.dns_messages import with_bounded_servers
from app.domain.connections.mongodb import MAX_HOSTS, Cluster, mongodb_cluster
from app.security.network.resolver import RESOLVING_NOTE
from schema.targets import Mongodb


async def resolve_cluster(target: Mongodb) -> Cluster:
    """Raises InvalidField for an invalid connection string, TargetFailed when DNS has no hosts for it."""
    cluster = mongodb_cluster(target)
    if not cluster.service:
        return cluster
    return msgspec.structs.replace(cluster, hosts=await _lookup_hosts(cluster.hosts[0][0], cluster.service))


async def _lookup_hosts(name: str, service: str) -> list[tuple[str, int]]:
    """The hosts that DNS has for a name. They must be in its own domain."""
    try:
        resolver = with_bounded_servers(dns.asyncresolver.Resolver())
        answer = await resolver.resolve(f"_{service}._tcp.{name}", "SRV", search=False)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer) as error:
        raise TargetFailed(f"DNS has no hosts for {name}") from error
    except (dns.exception.DNSException, OSError) as error:
        raise CheckInconclusive(f"the hosts of {name} could not be looked up") from error
    except asyncio.CancelledError as cancelled:
        cancelled.add_note(RESOLVING_NOTE)
        raise
    domain = "." + name.split(".", 1)[-1].lower()
    hosts = [(str(one.target).rstrip(".").lower(), int(one.port)) for one in answer]
    if not all(host.endswith(domain) for host, _ in hosts):
        raise TargetFailed(f"DNS names hosts for {name} that are of another domain")
    return hosts[:MAX_HOSTS]
