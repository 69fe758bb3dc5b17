"""Parsing and building NTP packets."""

import struct

import pytest
from hypothesis import given, strategies

from actors.probes.protocols.ntp_packet import ERA_S, PACKET, TO_1970_S, encode_request, parse_response

COOKIE = b"a cookie"


def stamp(instant_s):
    return struct.pack(">Q", int((instant_s + TO_1970_S) % ERA_S * ERA_S))


def packet(theirs_s, *, flags=0x24, stratum=2, reference=b"\x7f\0\0\1", cookie=COOKIE):
    return PACKET.pack(flags, stratum, 0, 0, 0, 1 << 15, reference, stamp(0), cookie, stamp(theirs_s), stamp(theirs_s))


@pytest.mark.parametrize("now_s", [1_795_000_000, 2_085_978_495, 2_085_978_497, 2_200_000_000])  # the last two: era 1
@pytest.mark.parametrize("ahead_s", [0, 0.25, -3_600])
def test_the_offset_is_how_far_their_clock_is_ahead(now_s, ahead_s):
    answer = parse_response(COOKIE, packet(now_s + ahead_s), now_s - 0.01, now_s + 0.01)
    assert answer
    assert answer.offset_s == pytest.approx(ahead_s, abs=1e-5)
    assert answer.delay_s == pytest.approx(0.02, abs=1e-5)
    assert (answer.stratum, answer.reference, answer.dispersion_s) == (2, "127.0.0.1", 0.5)


def test_parsing_an_invalid_response_returns_none():
    assert parse_response(b"another!", packet(1), 1, 1) is None
    assert parse_response(COOKIE, encode_request(COOKIE), 1, 1) is None
    assert parse_response(COOKIE, packet(1)[:-1], 1, 1) is None


@given(strategies.binary(max_size=60))
def test_any_bytes_are_read_without_harm(data):
    parse_response(COOKIE, data, 1, 1)


def test_a_request_does_not_reveal_our_clock():
    assert encode_request(COOKIE) == b"\x23" + b"\0" * 39 + COOKIE
