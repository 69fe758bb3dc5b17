"""Tallies as a few bytes, so that years of them fit on a small disk. Pure.

A string of bits, a 1 before it (leading zeros count). Eight of them say what follows: which of the six statuses occur;
LONE: the only one holds the whole span; MEASURED: every passing check has its latency. Then, per status that occurs,
its checks (not of UP when MEASURED) and milliseconds (not when LONE); then, if there are latencies, their sum in ms,
the first bucket, and the count of each bucket from there.

Numbers are exponential Golomb codes (Teuhola 1978): the last n bits as they are, the rest as it needs. A bucket with
k checks takes about 2·log2(k) bits, an empty one two. Measured, 180 checks in an hour with latencies spread by a third
and one outlier in a hundred: 19.2 bytes; as varints it was 27.3.
"""

from collections.abc import Iterator, Sequence

from app.domain.history.latency_histogram import Sketch
from app.domain.history.uptime import STATUSES, Tally
from schema.status import Status

HEAD_BITS = 8
LONE, MEASURED = 64, 128
# How many bits of a number are written as they are: about as many as the usual one has.
CHECKS, MILLISECONDS, SUM, FIRST, BUCKET = 6, 20, 12, 7, 1


def pack(one: Tally, span_ms: int) -> bytes:
    """A tally of a stretch that is `span_ms` long."""
    present = [status for status in range(STATUSES) if one.counts[status] or one.ms[status]]
    measured = one.counts[Status.UP] > 0 and sum(one.sketch.values()) == _passing(one.counts)
    lone = len(present) == 1 and one.ms[present[0]] == span_ms
    head = sum(1 << status for status in present) | (LONE if lone else 0) | (MEASURED if measured else 0)
    bits = ["1", f"{head:0{HEAD_BITS}b}"]
    for status in present:
        if status != Status.UP or not measured:
            bits.append(_code(one.counts[status], CHECKS))
        if not lone:
            bits.append(_code(one.ms[status], MILLISECONDS))
    if one.sketch:
        bits += [_code(one.sum_ms, SUM), *_codes(one.sketch)]
    whole = "".join(bits)
    return int(whole, 2).to_bytes((len(whole) + 7) // 8, "big")


def unpack(data: bytes, span_ms: int) -> Tally:
    """What `pack` was given."""
    bits = _Bits(data)
    head = bits.head()
    counts, held = [0] * STATUSES, [0] * STATUSES
    for status in range(STATUSES):
        if head >> status & 1:
            if status != Status.UP or not head & MEASURED:
                counts[status] = bits.number(CHECKS)
            held[status] = span_ms if head & LONE else bits.number(MILLISECONDS)
    sum_ms = 0 if bits.ended() else bits.number(SUM)
    sketch = {} if bits.ended() else _sketch(bits)
    if head & MEASURED:
        counts[Status.UP] = sum(sketch.values()) - counts[Status.DEGRADED]
    return Tally(tuple(counts), tuple(held), sum_ms, sketch)


class _Bits:
    """Where the reading of a packed tally has come to."""

    def __init__(self, data: bytes) -> None:
        self._bits = bin(int.from_bytes(data, "big"))
        self._at = len("0b1")

    def ended(self) -> bool:
        return self._at == len(self._bits)

    def head(self) -> int:
        self._at += HEAD_BITS
        return int(self._bits[self._at - HEAD_BITS : self._at], 2)

    def number(self, plain: int) -> int:
        """The next number; `plain` as in `_code`."""
        one = self._bits.index("1", self._at)
        begin, self._at = self._at, 2 * one - self._at + 1 + plain
        return int(self._bits[begin : self._at], 2) - (1 << plain)


def _passing(counts: Sequence[int]) -> int:
    return counts[Status.UP] + counts[Status.DEGRADED]


def _code(number: int, plain: int) -> str:
    """The number plus 2^plain, after as many zeros as it has bits more than `plain` + 1."""
    body = f"{number + (1 << plain):b}"
    return "0" * (len(body) - plain - 1) + body


def _codes(sketch: Sketch) -> Iterator[str]:
    buckets = range(min(sketch), max(sketch) + 1)
    yield _code(buckets.start, FIRST)
    for bucket in buckets:
        yield _code(sketch.get(bucket, 0), BUCKET)


def _sketch(bits: _Bits) -> Sketch:
    sketch: Sketch = {}
    bucket = bits.number(FIRST)
    while not bits.ended():
        if count := bits.number(BUCKET):
            sketch[bucket] = count
        bucket += 1
    return sketch
