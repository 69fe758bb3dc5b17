"""Templates of a channel: what they can render, what they can't reach, and what happens when they fail."""

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given as for_any, strategies as st

from app.domain.alerting import sample_events
from app.domain.alerting.messages import message_from_event
from app.domain.text import template_variables, templates
from schema.channels.rules import Templates
from schema.events import EventKind
from schema.message import Message
from schema.status import Status
from tests.actors.senders import sample_messages


def rendered(text: str, message: Message | None = None) -> str:
    rendering = templates.render(Templates(text=text), message or sample_messages.message())
    assert rendering.errors == []
    return rendering.message.text


def faults(text: str) -> list[str]:
    return [f"{one.field}: {one.message}" for one in templates.errors_in(Templates(title=text))]


def troubles(text: str, message: Message | None = None) -> list[str]:
    return templates.render(Templates(text=text), message or sample_messages.message()).errors


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{ name }} is {{ status }}: {{ msg }}", "Shop <b>&</b> *bar* is DOWN: 503 Service Unavailable"),
        ("{% if ack_url %}{{ ack_url }}{% else %}nothing to do{% endif %}", "nothing to do"),
        ("{{ status_icon }} {{ monitor.type | upcase }} {{ status_code }}", "❌ HTTP 0"),
        ("{{ at | date: '%H:%M', 'Europe/Berlin' }} {{ at }}", "13:00 2026-11-22T12:00:00Z"),
        ("{{ title }}{% if reminder %}, still{% endif %}", "Shop <b>&</b> *bar* is down"),
        ("{{ heartbeat.msg }} {{ time }}", "503 Service Unavailable 2026-11-22T12:00:00Z"),
        ("{{ nobody.knows.this }}x", "x"),
        ("{{ days | default: 'no end' }}", "no end"),
        ("{{ monitor | json }}", '{"id":"6d1c","name":"Shop <b>&</b> *bar*","type":"http"}'),
        ("{{ msg | replace: '503', '500' | truncate: 10 }}", "500 Ser..."),
    ],
)
def test_a_template_is_rendered(text: str, message: str) -> None:
    assert rendered(text) == message


def test_the_others_of_a_group_have_the_same_names() -> None:
    blog = sample_messages.message(
        monitor=sample_messages.MessageMonitor(id="2", name="Blog", type="dns"), duration_s=192.0
    )
    whole = sample_messages.message(merged=(blog,))
    assert rendered(
        "{{ group.size }}: {% for one in group %}{{ one.name }} {{ one.duration_words }}{% endfor %}", whole
    ) == ("1: Blog 3 min 12 s")


def test_a_title_stays_one_line() -> None:
    message = templates.render(Templates(title="a\n\r\nb\u2028c {{ name }}"), sample_messages.message()).message
    assert message.title == "a b c Shop <b>&</b> *bar*"
    assert message.text == ""


def test_without_templates_the_message_is_unchanged() -> None:
    assert templates.render(Templates(), sample_messages.message()).message == sample_messages.message()


def test_without_templates_the_template_library_is_not_loaded() -> None:
    code = (
        "import sys; from app.api.alerting import template_preview;"
        "from app.store.alerting import channels;"
        "from app.domain.text import templates;"
        "from schema.channels.rules import Templates; templates.render(Templates(), None);"
        "template_preview.list_variables(); print('liquid' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"False\n"


INJECTIONS = [
    "{{ 7 | times: 7 }}",
    "{% include '/etc/passwd' %}",
    "{{ data }}",
    "{% endif %}{% for i in (1..100000000) %}x{% endfor %}",
    "{{ monitor.__class__.__mro__[1].__subclasses__ }}",
    "{% raw %}",
]


@pytest.mark.parametrize("text", INJECTIONS)
def test_a_name_or_an_answer_that_looks_like_a_template_is_not_one(text: str) -> None:
    odd = sample_messages.message(
        monitor=sample_messages.MessageMonitor(id="1", name=text, type="http"), msg=text, facts={"error": text}
    )
    assert rendered("{{ name }}|{{ msg }}|{{ data.error }}|{{ name | append: '' }}", odd) == "|".join([text] * 4)


@pytest.mark.parametrize(
    "path",
    [
        "name.__class__", "name['__class__']", "monitor.__dict__", "group.append", "data.keys", "data['__init__']",
        "monitor.items", "forloop.__class__", "now", "today", "ping.real", "name.format", "self", "environment",
    ],
)  # fmt: skip
def test_templates_can_not_reach_python_attributes(path: str) -> None:
    assert rendered(f"[{{{{ {path} }}}}]") == "[]"
    assert rendered(f"{{% assign it = {path} %}}{{% for one in it %}}{{{{ one }}}}{{% endfor %}}.") == "."


@pytest.mark.parametrize("tag", ["include", "render", "extends", "tablerow", "macro"])
def test_no_other_template_or_file_can_be_drawn_in(tag: str) -> None:
    assert faults(f"{{% {tag} '/etc/passwd' %}}") == [f"templates.title: line 1: {{% {tag} %}} is not a valid tag here"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("ok\n{{ name | shout }}", "line 2: there is no filter 'shout'"),
        ("{% if name %}x", "{% if %} is not closed: {% endif %} is missing"),
        ("\n\n{{ name", "line 3: {{ is not closed: }} is missing"),
        ("a\n{% endfor %}", "line 2: {% endfor %} closes a block that is not open"),
        ("a\n{{ a b }}", "line 2: can't be read: expected end of expression, found word"),
        ("a\nb {{ }}", "line 2: can't be read: expected a primitive expression, found end of expression"),
        ("{% raw %}{{ name }}", "line 1: {% raw %} is not closed"),
        ("{% if a %}" * 30 + "{% endif %}" * 30, "line 1: it is nested too deep"),
        ("{{ a" + " " * 60 + "}}", "line 1: a tag has a gap of more than 50 spaces"),
        ("{{ " + "(" * 1_100 + "}}", "line 1: a tag has more than 1,000 characters"),
    ],
)
def test_an_error_in_a_template_has_its_place(text: str, fault: str) -> None:
    assert faults(text) == [f"templates.title: {fault}"]


@pytest.mark.parametrize("text", ["{% raw %}{{ {% endraw %}", "{% doc %} {{ {% enddoc %}", "{% # note %}", "}} %}", ""])
def test_braces_that_mean_nothing_are_no_fault(text: str) -> None:
    assert faults(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "{% for i in (1..100000000) %}{% endfor %}",
        "{% for i in (1..300) %}{% for j in (1..300) %}{% endfor %}{% endfor %}",
        "{% for i in (1..1000) %}{% endfor %}" * 100,
        "{% for i in (1..400) %}{% if " + "1 == 2 or " * 9 + "1 == 2 %}{% endif %}{% endfor %}",
        "{% for i in (1..99999999999999999999999999) reversed %}{% endfor %}",
        "{{ 'xxxxxxxxxx'" + " | replace: 'x', 'xxxxxxxxxx'" * 30 + " }}",
        "{{ text | replace: '', text | replace: '', text }}",
        "{% assign a = 'x' %}{% for i in (1..40) %}{% assign a = a | append: a %}{% endfor %}",
        "{% assign a = 7 %}{% for i in (1..40) %}{% assign a = a | times: a %}{% endfor %}",
        "{{ (1..1000000000) | join: name }}",
        "{% assign a = (1..150) | join: '' | split: '' %}" + "{{ a | uniq | size }}" * 100,
        "{% for i in (1..1000) %}{% capture a %}{{ a }}{{ text }}{% endcapture %}{% endfor %}",
    ],
)
def test_expensive_templates_fail_validation_and_rendering(text: str) -> None:
    assert len(faults(text)) == len(troubles(text)) == 1


@pytest.mark.parametrize("text", ["{" * 4_000, "{{" + " " * 3_990, "{% if" + " " * 3_990 + "%}", "{%" * 2_000])
def test_templates_that_are_slow_to_parse_are_rejected(text: str) -> None:
    assert faults(text)


def test_a_long_text_is_cut() -> None:
    text = rendered("{% for i in (1..100) %}" + "x" * 180 + "{% endfor %}")
    assert len(text) == 4_000
    assert text.endswith("x…")


@pytest.mark.parametrize(
    ("text", "trouble"),
    [
        ("a\n{{ 7 | divided_by: 0 }}", "templates.text: line 2: divided_by: can't divide by 0"),
        ("{{ at | date: '%H', 'Mars' }}", "templates.text: line 1: date: there is no time zone Mars"),
        ("{{ at | date: '%H', '../../etc/passwd' }}", "templates.text: line 1: date: there is no time zone"),
        ("{{ '1e999' | ceil }}", "templates.text: it can't be rendered (OverflowError)"),
        ("{{ name | nothing }}", "templates.text: line 1: there is no filter 'nothing'"),
    ],
)
def test_a_failing_template_falls_back_to_the_default_text_with_the_reason(text: str, trouble: str) -> None:
    rendering = templates.render(Templates(title="own", text=text), sample_messages.message())
    assert (rendering.message.title, rendering.message.text) == ("own", "")
    assert rendering.errors[0].startswith(trouble)


def test_unknown_names_are_reported() -> None:
    known = "{{ monitor.name.size }}{{ data.any.thing }}{{ group[0].name }}{% assign a = 1 %}{{ a }}"
    text = known + "{{ monitor.nam }}{{ foo }}"
    assert templates.warnings_for(Templates(title=text, text="{{ foo }}")) == [
        "there is no variable monitor.nam",
        "there is no variable foo",
    ]


def test_every_name_is_documented() -> None:
    def names(values: dict[str, Any], before: str = "") -> set[str]:
        found = {before + name for name in values}
        for name, value in values.items():
            if isinstance(value, dict) and name not in template_variables.OPEN_ENDED:
                found |= names(value, f"{before}{name}.")
        return found

    message = message_from_event(sample_events.sample_event(EventKind.MONITOR_DOWN), "1")
    assert names(template_variables.variable_values(message)) == template_variables.NAMES
    assert [one.name for one in template_variables.describe_variables(message)] == sorted(
        template_variables.NAMES, key=list(template_variables.NAMES).index
    ) or ({one.name for one in template_variables.describe_variables(message)} == template_variables.NAMES)


@pytest.mark.parametrize("kind", list(EventKind))
def test_every_event_can_be_sent_with_a_channels_templates(kind: EventKind) -> None:
    message = message_from_event(sample_events.sample_event(kind), "1")
    own = Templates(title="{{ event }}: {{ title }}", text="{{ name }} {{ status }} {{ text }}")
    rendering = templates.render(own, message)
    assert rendering.errors == []
    assert rendering.message.title.startswith(f"{kind}: ")


PIECES = st.sampled_from([
    "{{", "}}", "{%", "%}", " if ", " endif ", " for i in (1..9) ", " endfor ", " name ", "|", " upcase", ":", "'", '"',
    " assign a = ", " raw ", " endraw ", "[", "]", ".", "-", "\n", "\x00", " 7 ", " times", " split", "(", ")", ",",
])  # fmt: skip


@for_any(st.lists(PIECES, max_size=30).map("".join) | st.text(max_size=60), st.text(max_size=30))
def test_no_template_can_do_more_than_fail(text: str, name: str) -> None:
    odd = sample_messages.message(
        monitor=sample_messages.MessageMonitor(id="1", name=name, type="http"), msg=name, status=Status.UP
    )
    templates.errors_in(Templates(title=text, text=text))
    message = templates.render(Templates(title=text, text=text), odd).message
    assert len(message.title.splitlines()) <= 1
    assert not set(message.text) & {"\x00", "\r", "\u202e", "\u2028"}
    assert len(message.text) <= 4_000
