"""Content codings of a body are decoded in chunks of any size, with a limit on the output."""

import gzip
import zlib
from collections.abc import Callable

import brotli
import pytest
from backports import zstd
from hypothesis import given, strategies as st

from actors.probes.kit import content_codings

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": lambda body: brotli.compress(body, quality=4),
    "zstd": zstd.compress,
}
MEGABYTE = 1_048_576


def unpacked(names: list[str], body: bytes, most: int = MEGABYTE, piece: int = 8_192) -> bytes:
    for one in content_codings.decoders_for(names):
        out = b""
        for start in range(0, len(body), piece):
            if len(out) < most:
                out += one.decode(body[start : start + piece], most - len(out))
        body = out
    return body


@given(st.lists(st.sampled_from(sorted(PACKERS)), max_size=5), st.binary(max_size=200), st.integers(1, 50))
def test_stacked_codings_are_decoded_to_the_original_body(names, body, piece):
    packed = body
    for name in names:
        packed = PACKERS[name](packed)
    assert unpacked([", ".join(names)], packed, piece=piece) == body
    assert unpacked(names, packed, piece=piece) == body  # one header each


@pytest.mark.parametrize(
    "names",
    [
        [], [""], ["identity"], ["none"], ["utf-8"], ["aws-chunked"], ["compress"], ["GZIPPED"], [" , ,"], ["null, "],
        ["binary", "8bit"],
    ],
)  # fmt: skip
def test_unknown_content_codings_are_ignored(names):
    assert content_codings.decoders_for(names) == []


@pytest.mark.parametrize(
    "names", [["identity, gzip"], ["aws-chunked,gzip"], ["GZip"], ["none", "gzip"], ["gzip, identity"]]
)
def test_a_coding_is_found_among_unknown_tokens(names):
    assert unpacked(names, gzip.compress(b"hello")) == b"hello"


@pytest.mark.parametrize("name", PACKERS)
def test_a_bomb_unfolds_as_far_as_we_read(name):
    bomb = PACKERS[name](bytes(50 * MEGABYTE))
    assert len(unpacked([name], bomb, 1_000)) == 1_000
    assert len(unpacked([f"{name}, {name}"], PACKERS[name](bomb))) == MEGABYTE


@pytest.mark.parametrize("name", ["gzip", "deflate", "zstd"])
def test_streams_in_a_row_are_one_body_and_what_follows_them_is_none(name):
    pack = PACKERS[name]
    packed = pack(b"he") + pack(b"") + pack(b"llo") + b"\0\0 and what servers leave behind"
    assert unpacked([name], packed) == unpacked([name], packed, piece=3) == b"hello"


def test_bare_deflate_is_read_as_some_servers_mean_it():
    assert unpacked(["deflate"], zlib.compress(b"hello", wbits=-15), piece=1) == b"hello"


@pytest.mark.parametrize("name", PACKERS)
@given(st.binary(max_size=100), st.integers(1, 30))
def test_garbage_is_broken_or_empty_but_never_an_internal_error(name, garbage, piece):
    for body in (garbage, PACKERS[name](b"hello")[:-3] + garbage):
        try:
            unpacked([name], body, 100, piece)
        except content_codings.UndecodableBody as broken:
            assert "pack" in str(broken)  # noqa: PT017  # its message, where there is one


@pytest.mark.parametrize("name", ["gzip", "br", "zstd"])
def test_a_page_with_a_wrong_content_encoding_is_broken(name):
    with pytest.raises(content_codings.UndecodableBody, match="the body's packing is broken"):
        unpacked([name], b"<html>" * 100)


def test_a_window_above_the_limit_is_refused():
    options: dict[int, int] = {zstd.CompressionParameter.window_log: 27, zstd.CompressionParameter.content_size_flag: 0}
    packed = zstd.compress(bytes(30 * MEGABYTE), options=options)
    with pytest.raises(content_codings.UndecodableBody):
        unpacked(["zstd"], packed, 100)


def test_no_body_is_packed_without_end():
    with pytest.raises(content_codings.UndecodableBody, match="more than 5 times"):
        unpacked(["gzip," * 6], b"x")
    with pytest.raises(content_codings.UndecodableBody, match="in too many pieces"):
        unpacked(["zstd"], zstd.compress(b"") * 2_000)
