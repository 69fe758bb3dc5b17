"""The kinds of host keys, in the order in which OpenSSH's client asks for them.

A server shows one of its keys: the first kind in the client's order that it has. Each kind has several algorithms: one
RSA key signs in several ways.
"""

MESSAGE_BYTES, COOKIE_BYTES, LENGTH_BYTES = 1, 16, 4  # of a key exchange's first message (RFC 4253, 7.1)
MAX_REMEMBERED = 4_096  # fingerprints; a forgotten one costs another connection

ALGORITHMS: dict[str, tuple[str, ...]] = {
    "ed25519": ("ssh-ed25519",),
    "ecdsa 256": ("ecdsa-sha2-nistp256",),
    "ecdsa 384": ("ecdsa-sha2-nistp384",),
    "ecdsa 521": ("ecdsa-sha2-nistp521",),
    "rsa": ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"),
    "ed448": ("ssh-ed448",),
}
_KINDS = {algorithm: kind for kind, algorithms in ALGORITHMS.items() for algorithm in algorithms}
_known_kinds: dict[str, str] = {}  # fingerprint → the kind of key that had it last time


def ordered_algorithms(fingerprint: str) -> tuple[str, ...]:
    """The algorithms of all kinds in OpenSSH's order, with the kind that had this fingerprint before in front."""
    known = _known_kinds.get(fingerprint)
    kinds = sorted(ALGORITHMS, key=lambda kind: kind != known)
    return tuple(algorithm for kind in kinds for algorithm in ALGORITHMS[kind])


def other_kinds(algorithm: str, offered: list[str]) -> list[str]:
    """The other kinds of keys that a server has, in OpenSSH's order.

    algorithm    of the key that it has shown
    offered      every algorithm that the server can sign with
    """
    kinds = {_KINDS[one] for one in offered if one in _KINDS} - {_KINDS.get(algorithm)}
    return [kind for kind in ALGORITHMS if kind in kinds]


def remember_kind(fingerprint: str, algorithm: str) -> None:
    """Ask for this kind of key first next time."""
    if len(_known_kinds) >= MAX_REMEMBERED:
        _known_kinds.clear()
    if fingerprint and algorithm in _KINDS:
        _known_kinds[fingerprint] = _KINDS[algorithm]


def parse_offered(message: bytes) -> list[str]:
    """The host key algorithms in a server's first key exchange message; none when it is truncated."""
    at = MESSAGE_BYTES + COOKIE_BYTES
    at += LENGTH_BYTES + int.from_bytes(message[at : at + LENGTH_BYTES], "big")  # skips the key exchanges
    size = int.from_bytes(message[at : at + LENGTH_BYTES], "big")
    names = message[at + LENGTH_BYTES : at + LENGTH_BYTES + size].decode("ascii", errors="replace")
    return names.split(",") if names else []
