"""Whether healthy monitors were checked in time, and hostile targets reported with the right status. Pure."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence

from msgspec import Struct

from app.domain.parsing.plain_text import one_line
from schema.heartbeat_texts import MISSED, NOT_CHECKED, heartbeat_text
from schema.status import Status

LATE_MS = 2_000.0  # a healthy target is checked this soon after the due time, whatever others do
EARLY_MS = 50.0  # clocks are one and the same here; rounding to whole milliseconds is not
OURS = "a fault in Watchkeeper"
BLANK = frozenset({NOT_CHECKED, MISSED})
MAX_LINES = 20  # lines of each kind of trouble
LONGEST = 500  # characters of a message
BAD = (Status.DOWN, Status.UNKNOWN)


class Beat(Struct, frozen=True):
    """A stored heartbeat, with its words where there are any."""

    at_ms: int
    status: Status
    code: int = 0
    message: str = ""


class Punctuality(Struct, frozen=True):
    """How one healthy monitor fared.

    due      slots of its grid                       lost    slots that are not stored as up
    late     slots whose target was checked too late   worst_ms  the longest that it was kept waiting
    """

    due: int
    lost: list[str] = []
    late: list[str] = []
    worst_ms: float = 0.0


def punctuality(
    name: str, due: Sequence[int], beats: Mapping[int, Beat], arrivals: Sequence[float] | None, interval_ms: int
) -> Punctuality:
    """Compare due slots with what is stored, and with when the target was checked.

    arrivals    when it was checked, in order of time; None for a push monitor
    """
    lost = [f"{name} at {at_ms}: {_format_beat(beats.get(at_ms))}" for at_ms in due if not _is_up(beats.get(at_ms))]
    if arrivals is None:
        return Punctuality(len(due), lost)
    waits = {at_ms: _wait_ms(at_ms, arrivals, interval_ms) for at_ms in due}
    late = [f"{name} at {at_ms}: {wait:.0f} ms late" for at_ms, wait in waits.items() if wait > LATE_MS]
    return Punctuality(len(due), lost, late, max(waits.values(), default=0.0))


def _is_up(beat: Beat | None) -> bool:
    return beat is not None and beat.status is Status.UP


def _format_beat(beat: Beat | None) -> str:
    return (
        "nothing stored"
        if beat is None
        else f"{beat.status.name.lower()} ({beat.message or heartbeat_text(beat.code)})"
    )


def _wait_ms(at_ms: int, arrivals: Sequence[float], interval_ms: int) -> float:
    """From a due time to the arrival that belongs to it; a whole interval when none came before the next due time."""
    first = bisect_left(arrivals, at_ms - EARLY_MS)
    if first == len(arrivals) or arrivals[first] >= at_ms + interval_ms - EARLY_MS:
        return float(interval_ms)
    return max(0.0, arrivals[first] - at_ms)


def objections(name: str, beats: Sequence[Beat]) -> list[str]:
    """What is wrong with the results of a hostile target: at most one line of each kind.

    A slot that was given up, and was followed by a result, is none: on a busy machine a slow target's next slot comes
    while its check still waits.
    """
    looked_at = [*(beat for beat in beats[:-1] if beat.code not in BLANK), *beats[-1:]]
    found = {why: beat for beat in looked_at if (why := _objection(beat))}
    return [f"{name}: {why}: {beat.message[:LONGEST]!r}" for why, beat in found.items()] if found else []


def unseen(name: str, beats: Sequence[Beat]) -> list[str]:
    """A hostile target that was never looked at shows nothing."""
    return [] if beats else [f"{name}: no result at all"]


def _objection(beat: Beat) -> str:
    """Why a result is not as it should be: down or unknown, for a reason that it names in plain words."""
    if beat.status not in BAD:
        return f"it is {beat.status.name.lower()}"
    if beat.code in BLANK:
        return f"it was not checked ({heartbeat_text(beat.code)})"
    if not beat.message and not beat.code:
        return "no reason was given"
    if OURS in beat.message:
        return "a fault of ours"
    return "its reason is not plain text" if one_line(beat.message, LONGEST) != beat.message else ""


class Memory(Struct, frozen=True):
    """Proportional memory of the worker, bytes: once it was warm, at its most, and at the end."""

    warm: int
    most: int
    end: int

    def troubles(self, most_growth: int) -> list[str]:
        """Memory that grew, beyond what an allocator may keep."""
        grown = self.end - self.warm
        return [f"the worker grew by {grown / 1e6:.0f} MB"] if grown > most_growth else []


class TargetsReport(Struct, frozen=True, kw_only=True):
    """What a run found.

    healthy, hostile    monitors of each
    results             that hostile ones led to
    troubles            what should not have happened, in words
    """

    name: str
    healthy: list[Punctuality]
    hostile: int
    results: int
    troubles: list[str] = []
    notes: list[str] = []

    @property
    def holds(self) -> bool:
        """Everything that must hold did."""
        has_data = sum(one.due for one in self.healthy) > 0 and self.results > 0  # nothing compared is nothing shown
        return has_data and not self.troubles and not any(one.lost or one.late for one in self.healthy)

    def text(self) -> str:
        """For people, and for grep."""
        lost = [line for one in self.healthy for line in one.lost]
        late = [line for one in self.healthy for line in one.late]
        lines = [
            f"{self.name}: {'holds' if self.holds else 'DOES NOT HOLD'}",
            f"  {len(self.healthy)} healthy monitors: {self._counts(len(lost), len(late))}",
            f"  {self.hostile} hostile targets: results {self.results}",
        ]
        for kind, found in (("lost", lost), ("late", late), ("trouble", self.troubles)):
            lines += [f"  {kind}: {line}" for line in found[:MAX_LINES]]
            lines += [f"  {kind}: and {len(found) - MAX_LINES} more"] if len(found) > MAX_LINES else []
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])

    def _counts(self, lost: int, late: int) -> str:
        due, worst_ms = sum(one.due for one in self.healthy), max((one.worst_ms for one in self.healthy), default=0.0)
        return f"slots {due}, lost {lost}, late {late}, latest {worst_ms:.0f} ms"
