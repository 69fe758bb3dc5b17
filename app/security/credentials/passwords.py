"""Passwords: argon2id, off the event loop, a few at a time."""

import asyncio
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MEMORY_KIB, ROUNDS, PARALLELISM = 19_456, 2, 1  # OWASP's least for argon2id: 19 MiB, two passes
MAX_CONCURRENT = 4  # so that a flood of sign-ins takes 76 MiB and not all there is

_hasher = PasswordHasher(time_cost=ROUNDS, memory_cost=MEMORY_KIB, parallelism=PARALLELISM)
_semaphores: dict[asyncio.AbstractEventLoop, asyncio.Semaphore] = {}


def _semaphore() -> asyncio.Semaphore:
    """The semaphore of the running loop: one made on another loop can't be waited for."""
    loop = asyncio.get_running_loop()
    for old in [one for one in _semaphores if one.is_closed()]:
        del _semaphores[old]
    return _semaphores.setdefault(loop, asyncio.Semaphore(MAX_CONCURRENT))


async def hash_password(password: str) -> str:
    """The hash to store."""
    async with _semaphore():
        return await asyncio.to_thread(_hasher.hash, password)


async def matches(password: str, stored: str | None) -> bool:
    """Whether this is the password. With nothing stored it takes as long, and is false."""
    async with _semaphore():
        return await asyncio.to_thread(_verify, password, stored or _dummy_hash()) and stored is not None


def is_outdated(stored: str) -> bool:
    """Whether a hash was made with other parameters than today's: hash the password again while it is known."""
    return _hasher.check_needs_rehash(stored)


def _verify(password: str, stored: str) -> bool:
    try:
        return _hasher.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False


@cache
def _dummy_hash() -> str:
    """A hash to compare with when the user is unknown, so that the time tells nothing."""
    return _hasher.hash("nobody has this password")
