"""Passwords: argon2id, off the event loop, a few at a time."""

import asyncio
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MEMORY_KIB, ROUNDS, LANES = 19_456, 2, 1  # OWASP's least for argon2id: 19 MiB, two passes
AT_ONCE = 4  # so that a flood of sign-ins takes 76 MiB and not all there is

_hasher = PasswordHasher(time_cost=ROUNDS, memory_cost=MEMORY_KIB, parallelism=LANES)
_gates: dict[asyncio.AbstractEventLoop, asyncio.Semaphore] = {}


def _gate() -> asyncio.Semaphore:
    """The semaphore of the running loop: one made on another loop can't be waited for."""
    loop = asyncio.get_running_loop()
    for old in [one for one in _gates if one.is_closed()]:
        del _gates[old]
    return _gates.setdefault(loop, asyncio.Semaphore(AT_ONCE))


async def hashed(password: str) -> str:
    """The hash to store."""
    async with _gate():
        return await asyncio.to_thread(_hasher.hash, password)


async def matches(password: str, stored: str | None) -> bool:
    """Whether this is the password. With nothing stored it takes as long, and is false."""
    async with _gate():
        return await asyncio.to_thread(_verified, password, stored or _nobodys()) and stored is not None


def is_outdated(stored: str) -> bool:
    """Whether a hash was made with other parameters than today's: hash the password again while it is known."""
    return _hasher.check_needs_rehash(stored)


def _verified(password: str, stored: str) -> bool:
    try:
        return _hasher.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False


@cache
def _nobodys() -> str:
    """A hash to compare with when the user is unknown, so that the time tells nothing."""
    return _hasher.hash("nobody has this password")
