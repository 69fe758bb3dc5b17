"""Several messages told as one: a title that counts them, a line for each, and no monitor twice. Pure."""

from app.domain.text.details import lasted_s
from app.domain.text.formatting import TEXT_LIMIT, TITLE_LIMIT, length_of, named, one_line
from app.domain.text.titles import Mood, story_of
from schema.events import EventKind
from schema.message import Message

MOST_LINES, LINE_LIMIT = 20, 200
MORE_ROOM = 40  # characters kept for what does not fit: "and 1,234 more", a link has a line of its own

_RANK = {Mood.BAD: 0, Mood.WARNING: 1, Mood.GOOD: 2, Mood.NEUTRAL: 3}
_STANDINGS = {  # of these a monitor has one at a time: one and many
    EventKind.MONITOR_DOWN: ("is down", "are down"),
    EventKind.MONITOR_UP: ("is up", "are up"),
    EventKind.MONITOR_DEGRADED: ("is degraded", "are degraded"),
    EventKind.MONITOR_UNKNOWN: ("could not be checked", "could not be checked"),
}
_NOUNS = {
    EventKind.CERTIFICATE_EXPIRING: ("certificate expires", "certificates expire"),
    EventKind.DOMAIN_EXPIRING: ("domain expires", "domains expire"),
    EventKind.INCIDENT_OPENED: ("new incident", "new incidents"),
    EventKind.INCIDENT_ESCALATED: ("outage nobody has acknowledged", "outages nobody has acknowledged"),
    EventKind.INCIDENT_RESOLVED: ("incident resolved", "incidents resolved"),
}
_OTHER = ("other message", "other messages")


def gathered(message: Message) -> list[Message]:
    """What is told together, the worst first: of each monitor's standings only the newest."""
    newest: dict[str, Message] = {}
    for one in sorted((*message.others, message), key=lambda one: one.at):
        has_standing = one.event in _STANDINGS and one.monitor is not None
        newest[f"monitor {one.monitor.id}" if has_standing and one.monitor else one.delivery_id] = one
    return sorted(newest.values(), key=lambda one: (_RANK[story_of(one).mood], one.at))


def mood_of(messages: list[Message]) -> Mood:
    """The worst of theirs."""
    return story_of(messages[0]).mood


def title_of(messages: list[Message]) -> str:
    """`14 monitors are down`; `9 are down, 5 are up`; behind what, if that is one and the same."""
    counts: dict[tuple[str, str], int] = {}
    for one in messages:
        phrase = _STANDINGS.get(one.event) or _NOUNS.get(one.event, _OTHER)
        counts[phrase] = counts.get(phrase, 0) + 1
    alone = len(counts) == 1 and messages[0].event in _STANDINGS
    parts = [_counted(count, phrase, alone=alone) for phrase, count in counts.items()]
    title = ", ".join(parts) if parts != [f"{len(messages)} {_OTHER[1]}"] else f"{len(messages)} messages"
    return one_line(title + _behind(messages), TITLE_LIMIT)


def lines_for(messages: list[Message], room: int = TEXT_LIMIT) -> list[str]:
    """A line for each message, as many as fit, and how many more there are."""
    lines, left = list[str](), room - MORE_ROOM
    for one in messages[:MOST_LINES]:
        line = _line(one)
        left -= len(line) + 1
        if left < 0:
            break
        lines.append(line)
    more = len(messages) - len(lines)
    return [*lines, f"and {more} more"] if more else lines


def _counted(count: int, phrase: tuple[str, str], *, alone: bool) -> str:
    noun = ("monitor " if count == 1 else "monitors ") if alone else ""
    return f"{count} {noun}{phrase[0] if count == 1 else phrase[1]}"


def _behind(messages: list[Message]) -> str:
    """The parent that all of what is down has in common, when the facts name it."""
    parents = {named(one.facts.get("parent")) for one in messages if one.event is EventKind.MONITOR_DOWN}
    return f" behind {parents.pop()}" if len(parents) == 1 and "" not in parents else ""


def _line(message: Message) -> str:
    """The title, and what explains it."""
    story, lasted = story_of(message), lasted_s(message)
    if message.event is EventKind.MONITOR_UP and lasted is not None:
        return one_line(f"{story.title}, after {length_of(lasted)}", LINE_LIMIT)
    reason = message.msg or named(message.facts.get("error"))
    return one_line(f"{story.title}: {reason}" if reason else story.title, LINE_LIMIT)
