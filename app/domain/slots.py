"""The grid of due times: `phase(series) + k · interval`, so that monitors are spread and every process agrees. Pure."""

GOLDEN = 0x9E3779B97F4A7C15  # 2^64 / golden ratio: consecutive numbers land as far apart as can be
BITS = 64
MASK = (1 << BITS) - 1


def phase_ms(series: int, interval_ms: int) -> int:
    """Where in the interval a series is due: 0 <= phase < interval, the same for ever."""
    return ((series * GOLDEN & MASK) * interval_ms) >> BITS


def next_slot(series: int, interval_ms: int, after_ms: int) -> int:
    """The first due time later than `after_ms`; epoch milliseconds."""
    phase = phase_ms(series, interval_ms)
    return phase + ((after_ms - phase) // interval_ms + 1) * interval_ms


def slots_between(series: int, interval_ms: int, from_ms: int, to_ms: int) -> range:
    """Every due time t with from_ms <= t < to_ms."""
    return range(next_slot(series, interval_ms, from_ms - 1), to_ms, interval_ms)
