"""Resolves host names by the system's resolver (hosts file, mDNS, search domains and all), in threads.

Addresses are cached for a few seconds: long enough for one check and its redirects, short enough that the next check
sees a change. Failures are not cached. Concurrent lookups of one name share one query.
"""

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from ipaddress import ip_address
from time import monotonic

from app.domain.parsing.hosts import native_address, wire_host

CACHE_S = 5.0  # the shortest interval of a monitor, so two of its checks hardly share a lookup
MAX_CACHED = 10_000  # names, some 2 MB
THREADS = 32  # one slow name server blocks one thread only
# note on a CancelledError raised during a lookup, so that a timeout is not blamed on the target
RESOLVING_NOTE = "while resolving a name"

# Errors about the name; all others are about the resolver. Numbers of glibc where Python has none.
_NAME_ERRORS = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", -5), getattr(socket, "EAI_ADDRFAMILY", -9)})

Lookup = Callable[[str], tuple[str, ...]]


class NameUnknown(OSError):  # noqa: N818  # a fact about the name
    """The name does not exist or has no address: the target's failure."""


class ResolverUnavailable(OSError):  # noqa: N818  # a fact about our network
    """No name server answers: our own failure, whatever the state of the target."""


@lru_cache(maxsize=16_384)
def ip_literal(host: str) -> str:
    """The host in normal form, if it is an IP address: without brackets, `%25` as `%`, IPv4-mapped as IPv4.

    Empty for names and for unusual notations (`127.1`).
    """
    try:
        return native_address(str(ip_address(wire_host(host))))
    except ValueError:
        return ""


def resolve_by_system(host: str) -> tuple[str, ...]:
    """Look a name up by the system; blocks. Raises NameUnknown, ResolverUnavailable."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno in _NAME_ERRORS:
            raise NameUnknown(error.errno, f"the name {host} has no address") from error
        raise ResolverUnavailable(error.errno, f"the name {host} could not be resolved: {error.strerror}") from error
    except UnicodeError as error:
        raise NameUnknown(socket.EAI_NONAME, f"{host} is not a name") from error
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


class Resolver:
    """A caching resolver for one event loop. Create it on the loop that uses it."""

    def __init__(
        self, lookup: Lookup = resolve_by_system, *, cache_s: float = CACHE_S, max_cached: int = MAX_CACHED
    ) -> None:
        self._lookup, self._cache_s, self._max_cached = lookup, cache_s, max_cached
        self._cache: dict[str, tuple[float, tuple[str, ...]]] = {}
        self._lookups: dict[str, asyncio.Future[tuple[str, ...]]] = {}
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="names")

    async def addresses(self, host: str) -> tuple[str, ...]:
        """The addresses of a name, in the order the system prefers; never empty.

        raises    NameUnknown, ResolverUnavailable; a CancelledError gets the note RESOLVING_NOTE
        """
        until, cached = self._cache.get(host, (0.0, ()))
        if monotonic() < until:
            return cached
        try:
            return await asyncio.shield(self._lookups.get(host) or self._start_lookup(host))
        except asyncio.CancelledError as cancelled:
            cancelled.add_note(RESOLVING_NOTE)
            raise

    def close(self) -> None:
        """Stop the threads; one that hangs in a lookup ends with the lookup."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _start_lookup(self, host: str) -> asyncio.Future[tuple[str, ...]]:
        """Start a lookup that continues if its first caller is cancelled."""
        lookup = asyncio.get_running_loop().run_in_executor(self._threads, self._lookup, host)
        self._lookups[host] = lookup
        lookup.add_done_callback(lambda finished: self._finish_lookup(host, finished))
        return lookup

    def _finish_lookup(self, host: str, lookup: asyncio.Future[tuple[str, ...]]) -> None:
        del self._lookups[host]
        if lookup.cancelled() or lookup.exception():
            return
        self._cache.pop(host, None)  # keeps the newest entry last
        self._cache[host] = (monotonic() + self._cache_s, lookup.result())
        if len(self._cache) > self._max_cached:
            del self._cache[next(iter(self._cache))]
