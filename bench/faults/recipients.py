"""Knows which alerts each recipient of a channel must get, and compares them with those that it got. Pure.

The rules are those of `bench.faults.oracle`, for each recipient by itself. Three things are special:

* **Refused.** A recipient that the receiver refused for good does not get the message. The database may say so at most
  as often as the receiver did it.
* **Overtaken.** While a recipient waits, the others have the message. Once they get a newer one of the same outage, the
  recipient gets only that: the outage together with its recovery, or the next outage without the recovery before.
* **Repeated.** The same message may arrive again only if the sender can't know that it arrived: the response came too
  late, or a worker was killed in between. Anything else is a double.

A message is identified by its `Message-ID`, where it has one, and by the events in it: messages give times in seconds.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise

from msgspec import Struct

from bench.faults import oracle
from bench.faults.oracle import Fact, Verdict
from bench.receiver import Delivery
from schema.deliveries import ReasonCode, RecipientOutcome

COLLAPSED = (ReasonCode.COLLAPSED_INTO_RECOVERY, ReasonCode.COLLAPSED_INTO_REMINDER)

Comparison = Callable[[str, Sequence[Fact]], Verdict]  # of a monitor's facts with what was true of it

ON_THE_WAY_MS = 1_000  # a busy receiver reads so much later what a worker had written before it was killed


class StoredDelivery(Struct, frozen=True, kw_only=True):
    """A delivery as the database holds it at the end.

    message_id    the delivery whose message carries it
    outcomes      of recipients that do not get it again
    """

    id: str
    message_id: str
    event: str
    name: str
    at_ms: float
    started_ms: float
    reason_code: str
    outcomes: Mapping[str, str]

    @property
    def key(self) -> str:
        """What identifies its event."""
        return event_key(self.event, self.name, self.at_ms)


class RecipientFacts(Struct, frozen=True, kw_only=True):
    """What a run knows about one recipient.

    arrived      in order of time
    refused      how often the receiver refused it for good
    kills_ms     when workers were killed
    """

    arrived: Sequence[Delivery]
    stored: Sequence[StoredDelivery]
    refused: int
    kills_ms: Sequence[float]


def event_key(event: str, name: str, at_ms: float) -> str:
    """What identifies an event in messages."""
    return f"{name} {event} {whole_second(at_ms):.0f}"


def whole_second(at_ms: float) -> float:
    """A time as messages give it."""
    return at_ms // 1000 * 1000


def verdict_of(recipient: str, known: RecipientFacts, names: Iterable[str], compare: Comparison) -> Verdict:
    """Compare what one recipient got with what was true, and with what is stored.

    names     of the monitors that the channel is alerted of
    """
    excused = _excused(recipient, known)
    facts = _facts_by_monitor(known.arrived, excused)
    apart = {name: oracle.spelled_out(facts.get(name, ())) for name in names}
    verdict = Verdict()
    for name, some in apart.items():
        verdict = verdict.plus(compare(name, some))
    together = sum(map(len, apart.values())) - sum(map(len, facts.values()))
    return (
        verdict.plus(_against_stored(known, excused, together))
        .plus(Verdict(doubled=unexplained_repeats(known.arrived, known.kills_ms)))
        .plus(_against_refusals(recipient, known))
        .of(recipient)
    )


def _facts_by_monitor(arrived: Sequence[Delivery], excused: Sequence[StoredDelivery]) -> dict[str, list[Fact]]:
    facts: dict[str, list[Fact]] = {}
    for one in arrived:
        fact = Fact(message_key(one), one.event == "monitor.up", one.at_ms, one.started_ms)
        facts.setdefault(one.name, []).append(fact)
    for owed in excused:
        at_ms, started_ms = whole_second(owed.at_ms), whole_second(owed.started_ms)
        fact = Fact(f"excused {owed.id}", owed.event == "monitor.up", at_ms, started_ms)
        facts.setdefault(owed.name, []).append(fact)
    return facts


def message_key(one: Delivery) -> str:
    """What identifies an event in a message: the same key again is the same message again."""
    return f"{one.id} {event_key(one.event, one.name, one.at_ms)}"


def _excused(recipient: str, known: RecipientFacts) -> list[StoredDelivery]:
    """The deliveries that a recipient need not get: it refused them, or a newer alert has overtaken a recovery."""
    arrived = {event_key(one.event, one.name, one.at_ms) for one in known.arrived}
    missing = [one for one in known.stored if one.key not in arrived]
    refused = [one for one in missing if one.outcomes.get(recipient) == RecipientOutcome.REFUSED]
    newest_ms: dict[str, float] = {}
    for name, at_ms in [(one.name, one.at_ms) for one in known.arrived] + [(one.name, one.at_ms) for one in refused]:
        newest_ms[name] = max(at_ms, newest_ms.get(name, 0.0))
    superseded = [one for one in missing if one.reason_code == ReasonCode.SUPERSEDED and one not in refused]
    return refused + [one for one in superseded if newest_ms.get(one.name, 0.0) > one.at_ms]


def _against_stored(known: RecipientFacts, excused: Sequence[StoredDelivery], together: int) -> Verdict:
    """Every stored delivery arrived, but for those that are excused or collapsed; and no other."""
    arrived = {event_key(one.event, one.name, one.at_ms) for one in known.arrived}
    collapsed = [one.key for one in known.stored if one.reason_code in COLLAPSED and one.key not in arrived]
    keys = oracle.delivered(
        [one.key for one in known.stored], arrived | {one.key for one in excused}, collapsed, together=together
    )
    messages = {one.message_id for one in known.stored} | {one.id for one in known.stored}
    strange = sorted({one.id for one in known.arrived if one.id and one.id not in messages})
    return keys.plus(Verdict(invented=[f"message {id_}" for id_ in strange]))


def unexplained_repeats(arrived: Iterable[Delivery], kills_ms: Sequence[float]) -> list[str]:
    """The messages that arrived again although the sender knew that they had arrived."""
    by_message: dict[str, list[Delivery]] = {}
    for one in arrived:
        by_message.setdefault(message_key(one), []).append(one)
    return [
        f"{key} at {later.arrived_ms:.0f}, after {earlier.arrived_ms:.0f}"
        for key, several in by_message.items()
        for earlier, later in pairwise(several)
        if earlier.is_answered
        and not any(earlier.arrived_ms - ON_THE_WAY_MS <= at_ms <= later.arrived_ms for at_ms in kills_ms)
    ]


def _against_refusals(recipient: str, known: RecipientFacts) -> Verdict:
    """The database names a recipient as refused for good at most as often as the receiver refused it."""
    refused = {one.message_id for one in known.stored if one.outcomes.get(recipient) == RecipientOutcome.REFUSED}
    if len(refused) <= known.refused:
        return Verdict()
    return Verdict(lost=[f"{len(refused)} messages are stored as refused, the receiver refused {known.refused}"])
