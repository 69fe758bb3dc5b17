"""How many messages a channel is sent one by one, and until when the others wait to be told together. Pure."""

from collections.abc import Sequence

from msgspec import Struct

from schema.channels.terms import ChannelRules, Grouping

# Programs and on-call services sort things out by themselves, and want each by itself.
NEVER_GROUPED = frozenset({"webhook", "pagerduty", "opsgenie", "grafana_oncall", "pagertree"})
DEFAULT_GROUPING = Grouping()


class BurstCapacity(Struct, frozen=True):
    """What a channel may be told now.

    free        messages
    until_ms    until when the others wait
    """

    free: int
    until_ms: int


def grouping_of(type_: str, terms: ChannelRules) -> Grouping | None:
    """A channel's grouping: its own, or the usual one of its type; None: everything one by one."""
    if terms.grouping is not None:
        return terms.grouping
    return None if type_ in NEVER_GROUPED else DEFAULT_GROUPING


def capacity(grouping: Grouping, told_ms: Sequence[int], now_ms: int) -> BurstCapacity:
    """What may go now.

    told_ms    when messages went out, newest first
    """
    within_ms = grouping.within * 1000
    recent = [at for at in told_ms if at > now_ms - within_ms]
    free = max(0, grouping.burst - len(recent))
    if 0 < grouping.burst <= len(recent):
        return BurstCapacity(free, recent[grouping.burst - 1] + within_ms)
    return BurstCapacity(free, now_ms + within_ms)
