"""Every kind of hostile server there is, in one list: both sides of a run know it, and number it alike."""

from bench.faults.hostile import databases, datagrams, encrypted, handshakes, services, web

KINDS = [
    *web.KINDS,
    *databases.KINDS,
    *services.KINDS,
    *datagrams.KINDS,
    *encrypted.KINDS,
    *handshakes.KINDS,
]
