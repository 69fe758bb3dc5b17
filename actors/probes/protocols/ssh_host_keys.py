"""The kinds of keys that an SSH server may have, and the order in which they are asked for: that of OpenSSH's client.

A server shows one of its keys: the first kind in the client's order that it has. Each kind is a pattern of algorithms:
one RSA key signs in several ways.
"""

MESSAGE_BYTES, COOKIE_BYTES, LENGTH_BYTES = 1, 16, 4  # of a key exchange's first message (RFC 4253, 7.1)
MAX_REMEMBERED = 4_096  # fingerprints; what was forgotten costs a connection more

ALGORITHMS: dict[str, tuple[str, ...]] = {
    "ed25519": ("ssh-ed25519",),
    "ecdsa 256": ("ecdsa-sha2-nistp256",),
    "ecdsa 384": ("ecdsa-sha2-nistp384",),
    "ecdsa 521": ("ecdsa-sha2-nistp521",),
    "rsa": ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"),
    "ed448": ("ssh-ed448",),
}
_KINDS = {algorithm: kind for kind, algorithms in ALGORITHMS.items() for algorithm in algorithms}
_known_kinds: dict[str, str] = {}  # the kind of key that had this fingerprint when we last saw it


def ordered_algorithms(fingerprint: str) -> tuple[str, ...]:
    """The algorithms of all kinds, in OpenSSH's order; first those of the kind that had this fingerprint before."""
    known = _known_kinds.get(fingerprint)
    kinds = sorted(ALGORITHMS, key=lambda kind: kind != known)
    return tuple(algorithm for kind in kinds for algorithm in ALGORITHMS[kind])


def other_kinds(algorithm: str, offered: list[str]) -> list[str]:
    """The kinds of keys that a server has besides the one it has shown, in OpenSSH's order.

    shown      the key's own algorithm
    offered    what the server said that it can sign with
    """
    kinds = {_KINDS[one] for one in offered if one in _KINDS} - {_KINDS.get(algorithm)}
    return [kind for kind in ALGORITHMS if kind in kinds]


def remember_kind(fingerprint: str, algorithm: str) -> None:
    """Ask for this kind of key first, when this fingerprint is expected again."""
    if len(_known_kinds) >= MAX_REMEMBERED:
        _known_kinds.clear()
    if fingerprint and algorithm in _KINDS:
        _known_kinds[fingerprint] = _KINDS[algorithm]


def parse_offered(message: bytes) -> list[str]:
    """The algorithms of host keys in a server's first message of a key exchange; none when it is cut short."""
    at = MESSAGE_BYTES + COOKIE_BYTES
    at += LENGTH_BYTES + int.from_bytes(message[at : at + LENGTH_BYTES], "big")  # over the key exchanges
    size = int.from_bytes(message[at : at + LENGTH_BYTES], "big")
    names = message[at + LENGTH_BYTES : at + LENGTH_BYTES + size].decode("ascii", errors="replace")
    return names.split(",") if names else []
