"""Body and query of a webhook channel's request, rendered from its templates; and what is wrong with them. Pure."""

import re
from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from app.domain.alerting import sample_events
from app.domain.alerting.messages import message_from_event
from app.domain.parsing import untrusted_json
from app.domain.text import templates
from schema.channels.webhook import Webhook
from schema.events import EventKind
from schema.message import Message

CHECKED_EVENTS = (EventKind.MONITOR_DOWN, EventKind.CERTIFICATE_EXPIRING, EventKind.TEST)  # with and without a monitor
HOSTILE_NAME = 'a "quoted" \\ name'  # breaks JSON unless it is escaped
_JSON_TYPE = re.compile(r"application/(?:[^;]+\+)?json *(?:;|$)", re.IGNORECASE)


class RequestParts(Struct, frozen=True):
    """What the templates render to.

    body      None: the channel has no template for it, or it failed
    errors    for the log, each with the name of its field
    """

    body: str | None = None
    query: dict[str, str] = {}
    errors: list[str] = []


def render_parts(config: Webhook, message: Message) -> RequestParts:
    """Render all templates. A parameter whose template fails is left out."""
    rendered = {field: templates.render_part(text, message) for field, text in _fields(config)}
    errors = [f"{field}: {error}" for field, (_, error) in rendered.items() if error]
    good = {field: text for field, (text, error) in rendered.items() if not error}
    query = {name: good[f"query.{name}"] for name in config.query if f"query.{name}" in good}
    return RequestParts(good.get("body"), query, errors)


def template_errors(config: Webhook) -> Iterator[tuple[str, str]]:
    """The field and the error of each template that is invalid, and of a body that is not of its type."""
    is_valid = True
    for field, text in _fields(config):
        if error := templates.error_in(text):
            is_valid = False
            yield field, error
    if config.body and is_valid and (error := _json_error(config)):
        yield "body", error


def json_warning(body: str, content_type: str) -> str:
    """What keeps a rendered body from being the JSON that its type says; empty when nothing does."""
    if not _JSON_TYPE.match(content_type):
        return ""
    try:
        untrusted_json.decode(body)
    except (ValueError, RecursionError) as error:
        return f"is not JSON, as the content type says; write values as {{{{ name | json }}}}: {str(error)[:120]}"
    return ""


def _json_error(config: Webhook) -> str:
    for kind in CHECKED_EVENTS:
        body, error = templates.render_part(config.body, _hostile_sample(kind))
        if not error and (problem := json_warning(body, config.content_type)):
            return f"{problem} (in the sample of {kind})"
    return ""


def _hostile_sample(kind: EventKind) -> Message:
    message = message_from_event(sample_events.sample_event(kind), "")
    monitor = message.monitor and replace(message.monitor, name=HOSTILE_NAME)
    return replace(message, monitor=monitor, msg=HOSTILE_NAME)


def _fields(config: Webhook) -> Iterator[tuple[str, str]]:
    """Every template by its field."""
    if config.body:
        yield "body", config.body
    yield from ((f"query.{name}", text) for name, text in config.query.items())
