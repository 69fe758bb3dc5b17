"""Names to addresses, by the system's own resolver (hosts file, mDNS, search domains and all), off the loop.

Answers are kept for a few seconds: long enough for one check and its redirects, short enough that a change of
address is seen by the next one. Failures are not kept. Two who ask for one name at once ask once.
"""

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from ipaddress import ip_address
from time import monotonic

from app.domain.parsing.hosts import native_address, wire_host

CACHE_S = 5.0  # the shortest interval of a monitor: two checks of one never share an answer for long
MAX_CACHED = 10_000  # names; some 2 MB
THREADS = 32  # each holds one slow name server; the others go on
RESOLVING_NOTE = (
    "while resolving a name"  # note on a cancellation that struck here: it was no target that took the time
)

# What the resolver says of the name; everything else it says is about itself. Numbers of glibc where Python has none.
_NAME_ERRORS = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", -5), getattr(socket, "EAI_ADDRFAMILY", -9)})

Lookup = Callable[[str], tuple[str, ...]]


class NameUnknown(OSError):  # noqa: N818  # a fact about the name
    """There is no such name, or it has no address: the target's failure."""


class ResolverUnavailable(OSError):  # noqa: N818  # a fact about our network
    """Nobody answers for names: our own failure, whatever became of the target."""


@lru_cache(maxsize=16_384)
def ip_literal(host: str) -> str:
    """The address that this host is already, in its usual form: without brackets, `%25` as `%`, IPv4 as itself.

    Empty for names and for unusual forms (`127.1`).
    """
    try:
        return native_address(str(ip_address(wire_host(host))))
    except ValueError:
        return ""


def resolve_by_system(host: str) -> tuple[str, ...]:
    """Ask the system; blocks. Raises NameUnknown, NamesUnavailable."""
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
    """What this process's loop knows of names. Made on the loop that uses it."""

    def __init__(
        self, lookup: Lookup = resolve_by_system, *, cache_s: float = CACHE_S, max_cached: int = MAX_CACHED
    ) -> None:
        self._lookup, self._cache_s, self._max_cached = lookup, cache_s, max_cached
        self._cache: dict[str, tuple[float, tuple[str, ...]]] = {}
        self._lookups: dict[str, asyncio.Future[tuple[str, ...]]] = {}
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="names")

    async def addresses(self, host: str) -> tuple[str, ...]:
        """The addresses of a name, in the order the system prefers; never empty.

        raises    NameUnknown, NamesUnavailable; a CancelledError carries the note NAMING
        """
        until, known = self._cache.get(host, (0.0, ()))
        if monotonic() < until:
            return known
        try:
            return await asyncio.shield(self._lookups.get(host) or self._start_lookup(host))
        except asyncio.CancelledError as cut:
            cut.add_note(RESOLVING_NOTE)
            raise

    def close(self) -> None:
        """Forget the threads; one that hangs in a lookup ends with it."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _start_lookup(self, host: str) -> asyncio.Future[tuple[str, ...]]:
        """Start a lookup that outlives whoever asked first."""
        asked = asyncio.get_running_loop().run_in_executor(self._threads, self._lookup, host)
        self._lookups[host] = asked
        asked.add_done_callback(lambda done: self._finish_lookup(host, done))
        return asked

    def _finish_lookup(self, host: str, asked: asyncio.Future[tuple[str, ...]]) -> None:
        del self._lookups[host]
        if asked.cancelled() or asked.exception():
            return
        self._cache.pop(host, None)  # so that the newest is last
        self._cache[host] = (monotonic() + self._cache_s, asked.result())
        if len(self._cache) > self._max_cached:
            del self._cache[next(iter(self._cache))]
