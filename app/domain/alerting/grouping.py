"""How many messages a channel receives one by one before the others wait for a digest. Pure."""

from collections.abc import Sequence

from msgspec import Struct

from schema.channels.rules import ChannelRules, Grouping

# Programs and on-call services group by themselves, and need each event as its own message.
NEVER_GROUPED = frozenset({"webhook", "pagerduty", "opsgenie", "grafana_oncall", "pagertree"})
DEFAULT_GROUPING = Grouping()


class BurstCapacity(Struct, frozen=True):
    """What a channel may be sent now.

    free        messages
    until_ms    until when the others wait
    """

    free: int
    until_ms: int


def grouping_of(type_: str, rules: ChannelRules) -> Grouping | None:
    """A channel's grouping: its own, or the default of its type; None: everything one by one."""
    if rules.grouping is not None:
        return rules.grouping
    return None if type_ in NEVER_GROUPED else DEFAULT_GROUPING


def capacity(grouping: Grouping, sent_ms: Sequence[int], now_ms: int) -> BurstCapacity:
    """What may be sent now.

    sent_ms    when messages were sent, newest first
    """
    window_ms = grouping.window * 1000
    recent = [at_ms for at_ms in sent_ms if at_ms > now_ms - window_ms]
    free = max(0, grouping.max_immediate - len(recent))
    if 0 < grouping.max_immediate <= len(recent):
        return BurstCapacity(free, recent[grouping.max_immediate - 1] + window_ms)
    return BurstCapacity(free, now_ms + window_ms)
