"""Encodes tallies in a few bytes, so that years of them fit on a small disk. Pure.

A string of bits, after a leading 1 (leading zeros count). The first eight bits say what follows: which of the six
statuses occur; SINGLE_STATUS: the only one lasts for the whole span; ALL_MEASURED: every passing check has its latency.
Then, per status that occurs, its checks (not of UP when ALL_MEASURED) and milliseconds (not when SINGLE_STATUS); then,
if there are latencies, their sum in ms, the first bucket, and the count of each bucket from there.

Numbers are exponential Golomb codes (Teuhola 1978): the last n bits plain, the rest as long as needed. A bucket with
k checks takes about 2·log2(k) bits, an empty one two. Measured, 180 checks in an hour with latencies spread by a third
and one outlier in a hundred: 19.2 bytes; as varints it was 27.3.
"""

from collections.abc import Iterator, Sequence

from app.domain.history.latency_histogram import Sketch
from app.domain.history.uptime import STATUSES, Tally
from schema.status import Status

HEAD_BITS = 8
SINGLE_STATUS, ALL_MEASURED = 64, 128
# How many bits of a number are plain: about as many as a usual one has.
CHECK_BITS, MS_BITS, SUM_BITS, FIRST_BUCKET_BITS, BUCKET_BITS = 6, 20, 12, 7, 1


def pack_tally(tally: Tally, span_ms: int) -> bytes:
    """Encode the tally of a window of `span_ms`."""
    present = [status for status in range(STATUSES) if tally.counts[status] or tally.ms[status]]
    measured = tally.counts[Status.UP] > 0 and sum(tally.sketch.values()) == _passing_count(tally.counts)
    is_single = len(present) == 1 and tally.ms[present[0]] == span_ms
    head = sum(1 << status for status in present)
    head |= (SINGLE_STATUS if is_single else 0) | (ALL_MEASURED if measured else 0)
    bits = ["1", f"{head:0{HEAD_BITS}b}"]
    for status in present:
        if status != Status.UP or not measured:
            bits.append(_encode_number(tally.counts[status], CHECK_BITS))
        if not is_single:
            bits.append(_encode_number(tally.ms[status], MS_BITS))
    if tally.sketch:
        bits += [_encode_number(tally.sum_ms, SUM_BITS), *_encode_sketch(tally.sketch)]
    text = "".join(bits)
    return int(text, 2).to_bytes((len(text) + 7) // 8, "big")


def unpack_tally(data: bytes, span_ms: int) -> Tally:
    """Decode a tally of `pack_tally`."""
    bits = _BitReader(data)
    head = bits.read_head()
    counts, ms = [0] * STATUSES, [0] * STATUSES
    for status in range(STATUSES):
        if head >> status & 1:
            if status != Status.UP or not head & ALL_MEASURED:
                counts[status] = bits.read_number(CHECK_BITS)
            ms[status] = span_ms if head & SINGLE_STATUS else bits.read_number(MS_BITS)
    sum_ms = 0 if bits.at_end() else bits.read_number(SUM_BITS)
    sketch = {} if bits.at_end() else _decode_sketch(bits)
    if head & ALL_MEASURED:
        counts[Status.UP] = sum(sketch.values()) - counts[Status.DEGRADED]
    return Tally(tuple(counts), tuple(ms), sum_ms, sketch)


class _BitReader:
    """Reads the bits of a packed tally."""

    def __init__(self, data: bytes) -> None:
        self._bits = bin(int.from_bytes(data, "big"))
        self._position = len("0b1")

    def at_end(self) -> bool:
        return self._position == len(self._bits)

    def read_head(self) -> int:
        self._position += HEAD_BITS
        return int(self._bits[self._position - HEAD_BITS : self._position], 2)

    def read_number(self, plain: int) -> int:
        """The next number; `plain` as in `_encode_number`."""
        first_one = self._bits.index("1", self._position)
        begin, self._position = self._position, 2 * first_one - self._position + 1 + plain
        return int(self._bits[begin : self._position], 2) - (1 << plain)


def _passing_count(counts: Sequence[int]) -> int:
    return counts[Status.UP] + counts[Status.DEGRADED]


def _encode_number(number: int, plain: int) -> str:
    """The number plus 2^plain, after as many zeros as it has bits more than `plain` + 1."""
    body = f"{number + (1 << plain):b}"
    return "0" * (len(body) - plain - 1) + body


def _encode_sketch(sketch: Sketch) -> Iterator[str]:
    buckets = range(min(sketch), max(sketch) + 1)
    yield _encode_number(buckets.start, FIRST_BUCKET_BITS)
    for bucket in buckets:
        yield _encode_number(sketch.get(bucket, 0), BUCKET_BITS)


def _decode_sketch(bits: _BitReader) -> Sketch:
    sketch: Sketch = {}
    bucket = bits.read_number(FIRST_BUCKET_BITS)
    while not bits.at_end():
        if count := bits.read_number(BUCKET_BITS):
            sketch[bucket] = count
        bucket += 1
    return sketch
