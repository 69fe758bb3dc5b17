"""NTP's packet (RFC 5905, 7.3), as far as a client needs it. Pure: the caller has the clock.

Instants are seconds since 1970 as floats: a tenth of a microsecond is lost, which no check needs.
"""

import struct

from msgspec import Struct

PACKET = struct.Struct(">BBbbII4s8s8s8s8s")
CLIENT_FLAGS = 0x23  # version 4, mode 3: a client
SERVER_MODE = 4
UNSYNCHRONISED = 3
TO_1970_S = 2_208_988_800  # from 1900
ERA_S = 1 << 32
COOKIE_BYTES = 8


class NtpResponse(Struct, frozen=True):
    """A time server's response. `kiss_code` (RATE, DENY) says that it will not serve us."""

    stratum: int
    synchronised: bool
    kiss_code: str
    reference: str
    offset_s: float
    delay_s: float
    dispersion_s: float


def encode_request(cookie: bytes) -> bytes:
    """A request without our own time; the server returns the cookie."""
    return PACKET.pack(CLIENT_FLAGS, 0, 0, 0, 0, 0, b"", b"", b"", b"", cookie)


def parse_response(cookie: bytes, data: bytes, sent_s: float, received_s: float) -> NtpResponse | None:
    """Parse a response; None for one to another request, or anything but NTP.

    sent_s, received_s    our clock at both times
    """
    if len(data) < PACKET.size:
        return None
    flags, stratum, _, _, _, dispersion, reference, _, origin, received, transmitted = PACKET.unpack(
        data[: PACKET.size]
    )
    if flags & 7 != SERVER_MODE or origin != cookie:
        return None
    theirs_in, theirs_out = _unix_s(received), _unix_s(transmitted)
    return NtpResponse(
        stratum=stratum,
        synchronised=flags >> 6 != UNSYNCHRONISED,
        kiss_code=_text(reference) if stratum == 0 else "",
        reference=_text(reference) if stratum == 1 else ".".join(map(str, reference)),
        offset_s=((theirs_in - sent_s) + (theirs_out - received_s)) / 2,
        delay_s=(received_s - sent_s) - (theirs_out - theirs_in),
        dispersion_s=dispersion / (1 << 16),
    )


def _unix_s(stamp: bytes) -> float:
    """Seconds since 1970. A first bit of 0 means the era after 2036."""
    number = int.from_bytes(stamp, "big")
    seconds = number / ERA_S - TO_1970_S
    return seconds if number >> 63 else seconds + ERA_S


def _text(code: bytes) -> str:
    return "".join(chr(one) for one in code if 32 < one < 127)  # noqa: PLR2004  # printable ASCII
