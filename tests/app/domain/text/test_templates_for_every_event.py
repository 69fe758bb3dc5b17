"""One template serves every event: each variable has a value, or the default words are sent in its place."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given as for_any, strategies as st

from app.domain.alerting import routing
from app.domain.text import template_variables, templates
from app.domain.text.message_text import compose_text
from schema.channels.rules import DEFAULT_EVENTS, Templates
from schema.events import EventKind
from schema.message import Message
from tests.actors.senders import sample_messages

PAGE = (Path(__file__).parents[4] / "docs" / "templates.md").read_text(encoding="utf-8")
E = EventKind
OUTAGE = {E.MONITOR_DOWN, E.MONITOR_UP}
INCIDENT = {E.INCIDENT_OPENED, E.INCIDENT_ACKNOWLEDGED, E.INCIDENT_ESCALATED, E.INCIDENT_RESOLVED}
EXPIRY = {E.CERTIFICATE_EXPIRING, E.DOMAIN_EXPIRING}
OF_A_MONITOR = {one for one in E if one.startswith("monitor.")} | EXPIRY | INCIDENT
DEPLOYED = {E.DEPLOYMENT_SUCCEEDED, E.DEPLOYMENT_FAILED}
LASTED = OUTAGE | INCIDENT | {E.MONITOR_CLEARED}
CHECKED = OUTAGE | {E.MONITOR_DEGRADED, E.MONITOR_CLEARED}
HAS_VALUE: dict[str, set[EventKind]] = {  # a variable that is not here has a value for every event
    **dict.fromkeys(("monitor", "monitor.id", "monitor.name", "monitor.type"), OF_A_MONITOR),
    **dict.fromkeys(("ping", "heartbeat.ping"), CHECKED),
    "started_at": LASTED,
    **dict.fromkeys(("duration", "duration_words", "heartbeat.duration"), LASTED | DEPLOYED),
    **dict.fromkeys(("incident", "incident.id", "incident.title"), OUTAGE | INCIDENT),
    **dict.fromkeys(("days", "expires_at"), EXPIRY),
    **{name: set() for name in ("late", "late_words", "ack_url")},
}
GAP = re.compile(r"(^|[\s(])[:,;.](\s|$)|[:,(]\s*$|\(\s*\)| {2}|\bis\s*$|\bis [:.,]|\bNone\b|\bnil\b", re.MULTILINE)


def documented() -> list[Templates]:
    """Every template that the page shows as an example: in JSON, as a block, or as a variable in a line."""
    blocks = [json.loads(one) for one in re.findall(r"^```json\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)]
    own = [msgspec.convert(one["templates"], Templates) for one in blocks if "templates" in one]
    liquid = re.findall(r"^```liquid\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    inline = [one.replace("\\|", "|") for one in re.findall(r"`(\{\{[^`]*\}\})`", PAGE)]
    return own + [Templates(title=one, text=one) for one in (*liquid, *inline)]


def look_up(values: Any, name: str) -> Any:
    for step in name.split("."):
        values = values[step] if values else None
    return values


def message_of(kind: EventKind, form: str) -> Message:
    """The sample of an event: plain, as a test, or as the newest of a digest."""
    sample = templates.sample_message(kind)
    if form == "test":
        return msgspec.structs.replace(sample, test=True)
    other = sample_messages.message(
        delivery_id="2", monitor=sample_messages.MessageMonitor(id="2", name="B", type="dns")
    )
    return msgspec.structs.replace(sample, merged=(other,)) if form == "digest" else sample


@pytest.mark.parametrize("form", ["plain", "test", "digest"])
@pytest.mark.parametrize("kind", list(E))
def test_every_variable_has_a_value_for_every_event_but_the_listed_ones(kind: EventKind, form: str) -> None:
    values = template_variables.variable_values(message_of(kind, form))
    empty = {name for name in template_variables.NAMES if look_up(values, name) in (None, "", {})}
    assert empty == {name for name, kinds in HAS_VALUE.items() if kind not in kinds}


@pytest.mark.parametrize("kind", list(E))
def test_the_members_of_a_digest_have_the_same_values(kind: EventKind) -> None:
    sample = templates.sample_message(kind)
    whole = sample_messages.message(delivery_id="2", merged=(sample,))
    (member,) = template_variables.variable_values(whole)["group"]
    assert member == {
        name: value for name, value in template_variables.variable_values(sample).items() if name != "group"
    }


def test_the_page_shows_templates() -> None:
    assert Templates(
        text="{{ name }} is {{ status }}: {{ msg }}\n", title="{{ name }} is {{ status }}: {{ msg }}\n"
    ) in (documented())
    assert sum(bool(one.title) for one in documented()) > 5


@pytest.mark.parametrize("form", ["plain", "test", "digest"])
@pytest.mark.parametrize("kind", list(E))
@pytest.mark.parametrize("own", documented(), ids=repr)
def test_a_documented_template_leaves_no_gap_in_any_message(own: Templates, kind: EventKind, form: str) -> None:
    rendering = templates.render(own, message_of(kind, form))
    content = compose_text(rendering.message)
    assert rendering.errors == []
    assert content.title
    assert content.text
    assert GAP.findall(content.title) == []
    assert GAP.findall(content.text) == []


@pytest.mark.parametrize(
    "text", ["Shop is :", "Shop is", "Shop: ", "Shop ()", "Shop  is", "a\n: b", "x (", "it is . So"]
)
def test_a_gap_is_seen(text: str) -> None:
    assert GAP.search(text)


@pytest.mark.parametrize(
    ("event", "text"),
    re.findall(r"^\| `(\w+\.\w+)` \| (.+) \|$", PAGE.partition("## Variables")[0], re.MULTILINE),
)
def test_the_page_shows_the_message_of_each_event(event: str, text: str) -> None:
    rendering = templates.render(
        Templates(text="{{ name }} is {{ status }}: {{ msg }}"), templates.sample_message(E(event))
    )
    assert rendering.message.text == text


@pytest.mark.parametrize("kind", list(E))
def test_an_event_without_data_leaves_no_gap(kind: EventKind) -> None:
    bare = Message(delivery_id="1", event=kind, at=sample_messages.AT)
    for own in documented():
        content = compose_text(templates.render(own, bare).message)
        assert GAP.findall(f"{content.title}\n{content.text}") == []


def test_a_certificate_that_has_expired_is_not_called_expiring() -> None:
    expired = msgspec.structs.replace(templates.sample_message(E.CERTIFICATE_EXPIRING), facts={"name": "a", "days": -2})
    values = template_variables.variable_values(expired)
    assert (values["status"], values["status_code"], values["status_icon"]) == ("EXPIRED", 0, "❌")


@pytest.mark.parametrize(
    ("kind", "code", "icon"),
    [
        (E.CERTIFICATE_EXPIRING, 4, "⚠️"),
        (E.BACKEND_DOWN, 0, "❌"),
        (E.BACKEND_UP, 1, "✅"),
        (E.MAINTENANCE_STARTED, 3, "🚧"),
        (E.INCIDENT_ACKNOWLEDGED, 5, "ℹ️"),  # noqa: RUF001  # an icon
        (E.MONITOR_UNKNOWN, 5, "❔"),
    ],
)
def test_an_event_without_a_status_is_shown_by_its_severity(kind: EventKind, code: int, icon: str) -> None:
    values = template_variables.variable_values(templates.sample_message(kind))
    assert (values["status_code"], values["status_icon"], values["heartbeat"]["status"]) == (code, icon, code)


@pytest.mark.parametrize(
    ("template", "event", "expected"),
    [
        ("{{ days }} days", E.CERTIFICATE_EXPIRING, "7 days"),
        ("{{ days }} days", E.MONITOR_DOWN, ""),
        ("{% if days %}{{ days }} days{% else %}no end{% endif %}", E.MONITOR_DOWN, "no end"),
        ("{{ days | default: 'no' }} days", E.MONITOR_DOWN, "no days"),
        ("{{ days | append: ' days' }}", E.MONITOR_DOWN, ""),
        ("{{ days | json }}", E.MONITOR_DOWN, "null"),
        ("{% echo days %} days", E.MONITOR_DOWN, ""),
        ("{% capture a %}{{ days }} days{% endcapture %}{{ a }}", E.MONITOR_DOWN, ""),
        ("on {{ monitor.type }}", E.BACKEND_DOWN, ""),
        ("on {{ monitor['type'] }}", E.BACKEND_DOWN, ""),
        ("{{ msg }} ({{ ping }} ms)", E.CERTIFICATE_EXPIRING, ""),
        ("{{ msg }} {{ ack_url }}{{ late_words }}", E.MONITOR_UP, "200 OK"),
        ("{{ hostname }} {{ msg }}", E.MONITOR_UP, "200 OK"),
        ("{{ [event] }}{{ monitor[event] }}{{ group[0].name }}{{ msg }}", E.MONITOR_UP, "200 OK"),
        ("{{ data.backend }} {{ msg }}", E.MONITOR_UP, "200 OK"),
        ("{% assign days = '' %}{{ days }}{{ msg }}", E.MONITOR_UP, "200 OK"),
    ],
)
def test_the_default_is_sent_for_a_template_that_prints_a_variable_without_a_value(
    template: str, event: EventKind, expected: str
) -> None:
    assert templates.render(Templates(text=template), templates.sample_message(event)).message.text == expected


def test_each_part_falls_back_by_itself() -> None:
    rendering = templates.render(
        Templates(title="{{ days }}", text="{{ msg }}"), templates.sample_message(E.MONITOR_DOWN)
    )
    content = compose_text(rendering.message)
    assert (content.title, content.text) == ("Shop is down", "503 Service Unavailable")
    assert [(one.field, one.message) for one in rendering.fallbacks] == [
        ("templates.title", "`days` has no value for this event: the default is sent")
    ]
    assert rendering.errors == []  # nothing to log: it is documented


def test_an_outage_without_a_response_keeps_its_own_words() -> None:
    refused = msgspec.structs.replace(templates.sample_message(E.MONITOR_DOWN), ping_ms=None)
    assert templates.render(Templates(text="{{ msg }} {{ ping }}"), refused).message.text == "503 Service Unavailable"
    assert templates.warnings_for(Templates(text="{{ msg }} {{ ping }}")) == [templates.PING_MAY_BE_EMPTY]
    assert templates.warnings_for(Templates(text="{{ msg }}{% if ping %} {{ ping }}{% endif %}")) == []


@pytest.mark.parametrize("template", ["{{ name }}: {{ msg }}", "All is lost."])
def test_a_template_that_shows_one_event_of_a_digest_is_replaced(template: str) -> None:
    whole = message_of(E.MONITOR_DOWN, "digest")
    rendering = templates.render(Templates(title=template, text=template), whole)
    content = compose_text(rendering.message)
    assert content.title == "2 monitors are down"
    assert content.text.count("503 Service Unavailable") == 2
    assert {one.message for one in rendering.fallbacks} == {f"{templates.ONLY_NEWEST}: the default is sent"}


@pytest.mark.parametrize("name", sorted(template_variables.DIGEST_NAMES))
def test_a_template_that_shows_all_events_of_a_digest_is_sent(name: str) -> None:
    whole = message_of(E.MONITOR_DOWN, "digest")
    assert templates.render(Templates(text=f"See: {{{{ {name} | json }}}}"), whole).message.text.startswith("See: ")


def test_a_digest_of_one_monitor_is_one_event() -> None:
    down = templates.sample_message(E.MONITOR_DOWN)
    up = msgspec.structs.replace(templates.sample_message(E.MONITOR_UP), delivery_id="2", merged=(down,))
    assert templates.render(Templates(text="{{ name }} {{ status }}"), up).message.text == "Shop UP"


def test_warnings_name_every_event_that_a_template_does_not_fit() -> None:
    own = Templates(title="{{ name }}: {{ days }}{{ nobody }}", text="{{ msg }}")
    general, *found = templates.event_warnings(own, ["monitor.down", "certificate.*", "backend.down"])
    assert (general.event, general.field, general.message) == (None, "templates", "there is no variable nobody")
    assert {(one.event, one.field) for one in found} == {
        (E.MONITOR_DOWN, "templates.title"),
        (E.BACKEND_DOWN, "templates.title"),
    }
    assert templates.event_warnings(Templates(), ["*"]) == []


def test_warnings_name_errors_of_single_events() -> None:
    (found,) = templates.event_warnings(
        Templates(text="{{ 1 | divided_by: status_code }}"), ["monitor.down", "monitor.up"]
    )
    assert (found.event, found.message) == (
        E.MONITOR_DOWN, "line 1: divided_by: can't divide by 0: the default is sent",
    )  # fmt: skip


@for_any(
    st.lists(st.sampled_from(sorted(template_variables.NAMES)), min_size=1, max_size=4),
    st.lists(st.sampled_from([*DEFAULT_EVENTS, "*", "backend.*", "system.*"]), min_size=1, max_size=3),
)
def test_an_event_without_a_warning_is_sent_in_own_words_only(names: list[str], events: list[str]) -> None:
    own = Templates(text="> " + " ".join(f"{{{{ {name} }}}}" for name in names))
    warned = {one.event for one in templates.event_warnings(own, events)}
    for kind in routing.subscribed_kinds(events):
        text = templates.render(own, templates.sample_message(kind)).message.text
        assert text.startswith(">") is (kind not in warned)
