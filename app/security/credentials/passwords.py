"""Hashes and verifies passwords with argon2id, in threads, a few at a time."""

import asyncio
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MEMORY_KIB, ROUNDS, PARALLELISM = 19_456, 2, 1  # OWASP's minimum for argon2id: 19 MiB, two passes
MAX_CONCURRENT = 4  # bounds the memory of a flood of sign-ins to 76 MiB

_hasher = PasswordHasher(time_cost=ROUNDS, memory_cost=MEMORY_KIB, parallelism=PARALLELISM)
_semaphores: dict[asyncio.AbstractEventLoop, asyncio.Semaphore] = {}


def _semaphore() -> asyncio.Semaphore:
    """The running loop's semaphore; one from another loop can't be awaited."""
    loop = asyncio.get_running_loop()
    for closed in [other for other in _semaphores if other.is_closed()]:
        del _semaphores[closed]
    return _semaphores.setdefault(loop, asyncio.Semaphore(MAX_CONCURRENT))


async def hash_password(password: str) -> str:
    """The hash to store."""
    async with _semaphore():
        return await asyncio.to_thread(_hasher.hash, password)


async def matches(password: str, stored: str | None) -> bool:
    """Whether this is the password. Without a stored hash it takes the same time and is false."""
    async with _semaphore():
        return await asyncio.to_thread(_verify, password, stored or _dummy_hash()) and stored is not None


def is_outdated(stored: str) -> bool:
    """Whether a hash was made with other parameters than the current ones: replace it at the next sign-in."""
    return _hasher.check_needs_rehash(stored)


def _verify(password: str, stored: str) -> bool:
    try:
        return _hasher.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False


@cache
def _dummy_hash() -> str:
    """A hash to compare with for an unknown user, so that the time taken reveals nothing."""
    return _hasher.hash("nobody has this password")
