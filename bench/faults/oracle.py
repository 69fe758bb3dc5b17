"""Knows which alerts must be sent, and compares them with those that arrived. Pure.

What is a true transition? The product samples its targets. It cannot know what happened between two checks, and a check
whose worker was killed before its result was stored never became a fact. So the targets' responses alone do not decide
which alerts must be sent. Two rules do:

* **Plateaus.** A target that answers one way for longer than a monitor may stay unchecked (two intervals + 10 s) *must*
  have been checked in that status at least once, whatever was killed meanwhile. So between two such plateaus of
  different direction lies exactly one transition that must be sent exactly once: none is lost, none doubled, none
  invented. This is the strict half: we choose the plateaus, so we know every one of them.
* **Quick flips.** When a target flips faster than that, samples may be lost and transitions with them. The alerts must
  still be consistent: down and up alternate and begin with down; each is backed by a response that the target gave in
  that direction after the slot (a result may be at most `LATE_MS` younger than its slot); and the last alert agrees
  with the last responses, since the end is a plateau, too.

A program gets every fact by itself. A channel for people gets an outage and its recovery in one message when both were
pending, because the channel failed for a while or because a worker was killed: the recovery then names the start of the
outage, and `spelled_out` makes two facts of it. The database must have suppressed as many outages.

A sent transition is identified by the delivery's idempotency key: the same key twice is a retry of a send whose
response was lost (counted as a repeat, allowed). Two keys for one transition are a double (never allowed). The keys of
stored deliveries are also compared with those that arrived: none may be missing, and none may be added.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise

from msgspec import Struct

LATE_MS = 20_000.0  # between a slot and its stored answer: its first try, and the second after a deadline
EARLY_MS = 50.0  # clocks are one and the same here; rounding to whole milliseconds is not


class Plateau(Struct, frozen=True):
    """A stretch in which a target answered one way; `to_ms` is infinite for the last one."""

    up: bool
    from_ms: float
    to_ms: float


class Fact(Struct, frozen=True):
    """A transition as it was sent: the delivery's key, the direction, its slot.

    started_ms    when the outage began that an "up" ends; 0 when the message has none
    """

    key: str
    up: bool
    at_ms: float
    started_ms: float = 0.0


class Verdict(Struct, frozen=True):
    """What the comparison found. Everything but `transitions` and `repeats` must be empty.

    lost      transitions that were true and not sent     doubled    sent more than once
    invented  sent and not true                           repeats    the same key again: allowed
    """

    transitions: int = 0
    lost: list[str] = []
    doubled: list[str] = []
    invented: list[str] = []
    repeats: int = 0

    def plus(self, other: "Verdict") -> "Verdict":
        """Both together."""
        return Verdict(
            self.transitions + other.transitions,
            self.lost + other.lost,
            self.doubled + other.doubled,
            self.invented + other.invented,
            self.repeats + other.repeats,
        )

    def since(self, earlier: "Verdict") -> "Verdict":
        """What came after an earlier verdict of the same run."""
        return Verdict(
            self.transitions - earlier.transitions,
            _fresh(self.lost, earlier.lost),
            _fresh(self.doubled, earlier.doubled),
            _fresh(self.invented, earlier.invented),
            self.repeats - earlier.repeats,
        )

    def of(self, name: str) -> "Verdict":
        """The same, with the name of whom it is about before each line."""
        lost, doubled, invented = ([f"{name}: {line}" for line in x] for x in (self.lost, self.doubled, self.invented))
        return Verdict(self.transitions, lost, doubled, invented, self.repeats)

    @property
    def holds(self) -> bool:
        """Nothing lost, doubled or invented."""
        return not (self.lost or self.doubled or self.invented)


def _fresh(lines: Sequence[str], earlier: Sequence[str]) -> list[str]:
    return list((Counter(lines) - Counter(earlier)).elements())


def distinct(facts: Iterable[Fact]) -> tuple[list[Fact], int]:
    """Facts in the order of their slots, each key once, and how many repeats that left out."""
    every = list(facts)
    once = {fact.key: fact for fact in every}
    return sorted(once.values(), key=lambda fact: fact.at_ms), len(every) - len(once)


def plateaus(switches: Iterable[tuple[float, bool]]) -> list[Plateau]:
    """What the switches of one target amount to; it answers before the first of them as up."""
    edges: list[tuple[float, bool]] = [(float("-inf"), True)]
    for at_ms, up in sorted(switches):
        if up != edges[-1][1]:
            edges.append((at_ms, up))
    return [Plateau(up, at_ms, end) for (at_ms, up), (end, _) in pairwise([*edges, (float("inf"), True)])]


def strict(name: str, stretches: Sequence[Plateau], delivered_facts: Iterable[Fact]) -> Verdict:
    """Compare a target with plateaus: after the first, each must have been sent exactly once."""
    facts, repeats = distinct(delivered_facts)
    homes = [_home(stretches, fact) for fact in facts]
    wanted = range(1, len(stretches))
    return Verdict(
        len(wanted),
        [_named(name, stretches[home].up, stretches[home].from_ms) for home in wanted if home not in homes],
        [_named(name, fact.up, fact.at_ms) for n, fact in enumerate(facts) if homes[n] and homes[n] in homes[:n]],
        [_named(name, fact.up, fact.at_ms) for fact, home in zip(facts, homes, strict=True) if not home],
        repeats,
    )


def spelled_out(facts: Iterable[Fact]) -> list[Fact]:
    """The facts of a channel for people; an outage that was sent only with its recovery is a fact of its own."""
    every, outages = list(facts), list[Fact]()
    before: Fact | None = None
    for fact in distinct(every)[0]:
        is_known = before is not None and not before.up and before.at_ms >= fact.started_ms - EARLY_MS
        if fact.up and fact.started_ms and not is_known:
            outages.append(Fact(f"{fact.key} with its outage", up=False, at_ms=fact.started_ms))
        before = fact
    return [*every, *outages]


def _home(stretches: Sequence[Plateau], fact: Fact) -> int:
    """The plateau that a fact is about; 0 (the first, which is not alerted) when there is none."""
    for number, one in enumerate(stretches):
        if one.up == fact.up and one.from_ms - LATE_MS <= fact.at_ms <= one.to_ms + EARLY_MS:
            return number
    return 0


def consistent(name: str, answers: Sequence[tuple[float, bool]], delivered_facts: Iterable[Fact]) -> Verdict:
    """Compare a target that flips quickly with the alerts about it.

    answers    what it gave, in order of time
    """
    facts, repeats = distinct(delivered_facts)
    directions = [True, *(fact.up for fact in facts)]
    twice = [fact for fact, before in zip(facts, directions, strict=False) if fact.up == before]
    ends_up = answers[-1][1] if answers else True
    missing = [_named(name, ends_up, answers[-1][0])] if directions[-1] != ends_up else []
    baseless = [fact for fact in facts if not _is_backed(answers, fact)]
    return Verdict(
        len(facts),
        missing,
        [_named(name, fact.up, fact.at_ms) for fact in twice],
        [_named(name, fact.up, fact.at_ms) for fact in baseless],
        repeats,
    )


def _is_backed(answers: Sequence[tuple[float, bool]], fact: Fact) -> bool:
    first = bisect_right(answers, fact.at_ms - EARLY_MS, key=lambda answer: answer[0])
    end = bisect_right(answers, fact.at_ms + LATE_MS, key=lambda answer: answer[0])
    return any(up == fact.up for _, up in answers[first:end])


def _named(name: str, up: bool, at_ms: float) -> str:  # noqa: FBT001  # a direction
    return f"{name} {'up' if up else 'down'} at {at_ms:.0f}"


def delivered(
    stored: Collection[str], arrived: Collection[str], collapsed: Collection[str] = (), together: int = 0
) -> Verdict:
    """Compare keys: the stored deliveries with those that arrived.

    collapsed    deliveries that another one covers; one of them may have arrived all the same, unanswered
    together     outages that were sent only with their recoveries: not more than were collapsed
    """
    absent = sorted(set(stored) - set(collapsed) - set(arrived))
    strange = sorted(set(arrived) - set(stored))
    lost = [f"delivery {key}" for key in absent]
    if together > len(collapsed):
        lost.append(f"{together} outages were told with their recoveries, of {len(collapsed)} the database says so")
    return Verdict(0, lost, [], [f"delivery {key}" for key in strange])


def unchecked(
    answers: Iterable[float], window_ms: tuple[float, float], longest_ms: float, outages: Sequence[range] = ()
) -> int:
    """How often a target was left alone for longer than allowed, outages taken off.

    answers    times at which it answered, in order
    outages    stretches, ms, in which nothing could be checked; they don't overlap
    """
    times = [window_ms[0], *answers, window_ms[1]]
    return sum(later - earlier - _outage(outages, earlier, later) > longest_ms for earlier, later in pairwise(times))


def _outage(outages: Sequence[range], begin: float, end: float) -> float:
    return sum(max(0.0, min(one.stop, end) - max(one.start, begin)) for one in outages)


def wasted(blank: Iterable[float], answers: Sequence[float], interval_ms: float) -> int:
    """Slots without a result although the target had answered their check: finished results that were lost.

    blank    slots that were given up     answers    in order of time
    """
    return sum(
        bisect_right(answers, slot + interval_ms - EARLY_MS) > bisect_right(answers, slot - EARLY_MS) for slot in blank
    )
