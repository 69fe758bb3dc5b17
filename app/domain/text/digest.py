"""Several messages told as one: a title that counts them, a line for each, and no monitor twice. Pure."""

from app.domain.parsing.plain_text import one_line
from app.domain.text.details import outage_duration_s
from app.domain.text.formatting import TEXT_LIMIT, TITLE_LIMIT, format_duration, parse_name
from app.domain.text.titles import Severity, event_text
from schema.events import EventKind
from schema.message import Message

MAX_LINES, MAX_LINE_CHARS = 20, 200
MORE_LINE_CHARS = 40  # characters kept for what does not fit: "and 1,234 more", a link has a line of its own

_RANK = {Severity.CRITICAL: 0, Severity.WARNING: 1, Severity.RESOLVED: 2, Severity.INFO: 3}
_STATUS_PHRASES = {  # of these a monitor has one at a time: one and many
    EventKind.MONITOR_DOWN: ("is down", "are down"),
    EventKind.MONITOR_UP: ("is up", "are up"),
    EventKind.MONITOR_DEGRADED: ("is degraded", "are degraded"),
    EventKind.MONITOR_UNKNOWN: ("could not be checked", "could not be checked"),
}
_EVENT_NOUNS = {
    EventKind.CERTIFICATE_EXPIRING: ("certificate expires", "certificates expire"),
    EventKind.DOMAIN_EXPIRING: ("domain expires", "domains expire"),
    EventKind.INCIDENT_OPENED: ("new incident", "new incidents"),
    EventKind.INCIDENT_ESCALATED: ("outage nobody has acknowledged", "outages nobody has acknowledged"),
    EventKind.INCIDENT_RESOLVED: ("incident resolved", "incidents resolved"),
}
_OTHER_NOUN = ("other message", "other messages")


def digest_members(message: Message) -> list[Message]:
    """What is told together, the worst first: of each monitor's standings only the newest."""
    newest: dict[str, Message] = {}
    for one in sorted((*message.merged, message), key=lambda one: one.at):
        has_standing = one.event in _STATUS_PHRASES and one.monitor is not None
        newest[f"monitor {one.monitor.id}" if has_standing and one.monitor else one.delivery_id] = one
    return sorted(newest.values(), key=lambda one: (_RANK[event_text(one).severity], one.at))


def digest_severity(messages: list[Message]) -> Severity:
    """The worst of theirs."""
    return event_text(messages[0]).severity


def digest_title(messages: list[Message]) -> str:
    """`14 monitors are down`; `9 are down, 5 are up`; behind what, if that is one and the same."""
    counts: dict[tuple[str, str], int] = {}
    for one in messages:
        phrase = _STATUS_PHRASES.get(one.event) or _EVENT_NOUNS.get(one.event, _OTHER_NOUN)
        counts[phrase] = counts.get(phrase, 0) + 1
    alone = len(counts) == 1 and messages[0].event in _STATUS_PHRASES
    parts = [_count_phrase(count, phrase, alone=alone) for phrase, count in counts.items()]
    title = ", ".join(parts) if parts != [f"{len(messages)} {_OTHER_NOUN[1]}"] else f"{len(messages)} messages"
    return one_line(title + _common_parent(messages), TITLE_LIMIT)


def digest_lines(messages: list[Message], max_chars: int = TEXT_LIMIT) -> list[str]:
    """A line for each message, as many as fit, and how many more there are."""
    lines, left = list[str](), max_chars - MORE_LINE_CHARS
    for one in messages[:MAX_LINES]:
        line = _member_line(one)
        left -= len(line) + 1
        if left < 0:
            break
        lines.append(line)
    more = len(messages) - len(lines)
    return [*lines, f"and {more} more"] if more else lines


def _count_phrase(count: int, phrase: tuple[str, str], *, alone: bool) -> str:
    noun = ("monitor " if count == 1 else "monitors ") if alone else ""
    return f"{count} {noun}{phrase[0] if count == 1 else phrase[1]}"


def _common_parent(messages: list[Message]) -> str:
    """The parent that all of what is down has in common, when the facts name it."""
    parents = {parse_name(one.facts.get("parent")) for one in messages if one.event is EventKind.MONITOR_DOWN}
    return f" behind {parents.pop()}" if len(parents) == 1 and "" not in parents else ""


def _member_line(message: Message) -> str:
    """The title, and what explains it."""
    story, lasted = event_text(message), outage_duration_s(message)
    if message.event is EventKind.MONITOR_UP and lasted is not None:
        return one_line(f"{story.title}, after {format_duration(lasted)}", MAX_LINE_CHARS)
    reason = message.msg or parse_name(message.facts.get("error"))
    return one_line(f"{story.title}: {reason}" if reason else story.title, MAX_LINE_CHARS)
