"""A digest: several messages as one, with a title that counts them and a line for each. Pure."""

from app.domain.parsing.plain_text import one_line
from app.domain.text.details import outage_duration_s
from app.domain.text.formatting import TEXT_LIMIT, TITLE_LIMIT, format_duration, parse_name
from app.domain.text.titles import Severity, event_text
from schema.events import EventKind
from schema.message import Message

MAX_LINES, MAX_LINE_CHARS = 20, 200
MORE_LINE_CHARS = 40  # characters kept for "and 1,234 more"; a link has its own line

_RANK = {Severity.CRITICAL: 0, Severity.WARNING: 1, Severity.RESOLVED: 2, Severity.INFO: 3}
_STATUS_PHRASES = {  # a monitor has one of these at a time: (singular, plural)
    EventKind.MONITOR_DOWN: ("is down", "are down"),
    EventKind.MONITOR_UP: ("is up", "are up"),
    EventKind.MONITOR_DEGRADED: ("is degraded", "are degraded"),
    EventKind.MONITOR_UNKNOWN: ("could not be checked", "could not be checked"),
}
_EVENT_NOUNS = {
    EventKind.CERTIFICATE_EXPIRING: ("certificate expires", "certificates expire"),
    EventKind.DOMAIN_EXPIRING: ("domain expires", "domains expire"),
    EventKind.MONITOR_CLEARED: ("warning is over", "warnings are over"),
    EventKind.INCIDENT_OPENED: ("new incident", "new incidents"),
    EventKind.INCIDENT_ESCALATED: ("outage nobody has acknowledged", "outages nobody has acknowledged"),
    EventKind.INCIDENT_RESOLVED: ("incident resolved", "incidents resolved"),
}
_OTHER_NOUN = ("other message", "other messages")


def digest_members(message: Message) -> list[Message]:
    """The messages of the digest, the worst first; of each monitor only the newest status."""
    newest: dict[str, Message] = {}
    for member in sorted((*message.merged, message), key=lambda one: one.at):
        has_status = member.event in _STATUS_PHRASES and member.monitor is not None
        newest[f"monitor {member.monitor.id}" if has_status and member.monitor else member.delivery_id] = member
    return sorted(newest.values(), key=lambda one: (_RANK[event_text(one).severity], one.at))


def digest_severity(messages: list[Message]) -> Severity:
    """The worst severity of the members, which is that of the first."""
    return event_text(messages[0]).severity


def digest_title(messages: list[Message]) -> str:
    """`14 monitors are down`; `9 are down, 5 are up`; with their parent, if they share one."""
    counts: dict[tuple[str, str], int] = {}
    for message in messages:
        phrase = _STATUS_PHRASES.get(message.event) or _EVENT_NOUNS.get(message.event, _OTHER_NOUN)
        counts[phrase] = counts.get(phrase, 0) + 1
    is_one_status = len(counts) == 1 and messages[0].event in _STATUS_PHRASES
    parts = [_count_phrase(count, phrase, with_noun=is_one_status) for phrase, count in counts.items()]
    title = ", ".join(parts) if parts != [f"{len(messages)} {_OTHER_NOUN[1]}"] else f"{len(messages)} messages"
    return one_line(title + _common_parent(messages), TITLE_LIMIT)


def digest_lines(messages: list[Message], max_chars: int = TEXT_LIMIT) -> list[str]:
    """A line for each message, as many as fit, and the number of the others."""
    lines, left = list[str](), max_chars - MORE_LINE_CHARS
    for message in messages[:MAX_LINES]:
        line = _member_line(message)
        left -= len(line) + 1
        if left < 0:
            break
        lines.append(line)
    more = len(messages) - len(lines)
    return [*lines, f"and {more} more"] if more else lines


def _count_phrase(count: int, phrase: tuple[str, str], *, with_noun: bool) -> str:
    noun = ("monitor " if count == 1 else "monitors ") if with_noun else ""
    return f"{count} {noun}{phrase[0] if count == 1 else phrase[1]}"


def _common_parent(messages: list[Message]) -> str:
    """` behind` the parent of every monitor that is down, when they share one that the facts name."""
    parents = {parse_name(one.facts.get("parent")) for one in messages if one.event is EventKind.MONITOR_DOWN}
    return f" behind {parents.pop()}" if len(parents) == 1 and "" not in parents else ""


def _member_line(message: Message) -> str:
    """The title and the reason."""
    event, duration_s = event_text(message), outage_duration_s(message)
    if message.event is EventKind.MONITOR_UP and duration_s is not None:
        return one_line(f"{event.title}, after {format_duration(duration_s)}", MAX_LINE_CHARS)
    reason = message.msg or parse_name(message.facts.get("error"))
    return one_line(f"{event.title}: {reason}" if reason else event.title, MAX_LINE_CHARS)
