"""Templates over HTTP: previewed, rejected with the position of the error, stored; and every name they can use."""

from typing import Any

import pytest

from app.domain.alerting import sample_events
from app.domain.text import template_variables
from schema.events import EventKind
from tests import make
from tests.app.api.running_app import ADMIN_TOKEN

PATH = "/api/v1/notification-channels"
BAD = {"title": "{{ name", "text": "a\n{{ name | shout }}"}
FAULTS = [
    {"field": "templates.title", "message": "line 1: {{ is not closed: }} is missing"},
    {"field": "templates.text", "message": "line 2: there is no filter 'shout'"},
]


@pytest.fixture
def api(client):
    client.headers.update({"Authorization": f"Bearer {ADMIN_TOKEN}"})
    return client


async def previewed(api, **body: Any) -> dict[str, Any]:
    response = await api.post(f"{PATH}/preview", json=body)
    assert response.status_code == 200, response.text
    preview: dict[str, Any] = response.json()
    return preview


async def test_a_preview_shows_the_message(api):
    own = {"title": "{{ status_icon }} {{ name }}", "text": "{{ msg }} for {{ duration_words }}"}
    assert await previewed(api, templates=own, events=["monitor.down"]) == {
        "title": "❌ Shop", "text": "503 Service Unavailable for 3 min 12 s", "body": "", "warnings": [],
        "event_warnings": [],
    }  # fmt: skip


async def test_a_preview_warns_for_every_event_of_the_channel(api):
    own = {"title": "{{ name }} is {{ status }}", "text": "{{ msg }}, {{ days }} days"}
    preview = await previewed(api, templates=own, events=["monitor.*", "certificate.*"])
    assert {one["field"] for one in preview["event_warnings"]} == {"templates.text"}
    assert [one["event"] for one in preview["event_warnings"]] == [
        kind for kind in EventKind if kind.startswith("monitor.")
    ]
    assert preview["event_warnings"][0]["message"] == "`days` has no value for this event: the default is sent"
    assert preview["warnings"] == ["templates.text: `days` has no value for this event: the default is sent"]
    usual = await previewed(api, templates=own)  # the events of a new channel
    assert "incident.escalated" in {one["event"] for one in usual["event_warnings"]}


async def test_a_preview_uses_the_channels_time_zone(api):
    shown = await previewed(api, templates={"text": "{{ at | date: '%H:%M %Z' }}"}, timezone="Europe/Berlin")
    assert shown["text"] == "14:00 CEST"
    assert "13:56:48 CEST" in (await previewed(api, templates={}, timezone="Europe/Berlin"))["text"]


async def test_a_preview_refuses_events_and_time_zones_that_do_not_exist(api):
    response = await api.post(
        f"{PATH}/preview", json={"templates": BAD, "timezone": "Mars/Olympus", "events": ["weather.*"]}
    )
    fields = [one["field"] for one in response.json()["error"]["details"]["fields"]]
    assert (response.status_code, fields) == (422, ["templates.title", "templates.text", "events.0", "timezone"])


async def test_a_change_warns_for_every_event_of_the_channel(api):
    own = {"title": "{{ days }} days", "text": "{{ nobody }}{{ msg }}"}
    saved = (await api.post(PATH, json=make.channel_json(templates=own, events=["monitor.up", "domain.*"]))).json()
    general, single = saved["template_warnings"]
    assert (general["event"], general["message"]) == (None, "there is no variable nobody")
    assert (single["event"], single["field"]) == ("monitor.up", "templates.title")
    at = f"{PATH}/{saved['id']}"
    assert "template_warnings" not in (await api.get(at)).json()
    changed = (await api.patch(at, json={"events": ["domain.*"]})).json()
    assert [one["event"] for one in changed["template_warnings"]] == [None]
    plain = (await api.patch(at, json={"templates": {}})).json()
    assert "template_warnings" not in plain


async def test_a_preview_without_templates_shows_the_default_text(api):
    preview = await previewed(api, templates={}, event="certificate.expiring")
    assert preview["title"] == "The certificate of shop.example.com expires in 7 days"
    assert preview["text"].startswith("It ends on 2025-08-16 12:00:00 UTC.")


async def test_a_preview_warns_of_unknown_names_and_failures(api):
    preview = await previewed(
        api, templates={"title": "{{ hostname }}{{ days }}!", "text": "{{ days | divided_by: 0 }}"}
    )
    assert preview["title"] == "Shop is down"
    assert preview["warnings"] == [
        "there is no variable hostname",
        "templates.title: `days` has no value for this event: the default is sent",
        "templates.text: line 1: divided_by: can't divide by 0: the default is sent",
    ]


async def test_a_preview_refuses_what_no_channel_could_keep(api):
    response = await api.post(f"{PATH}/preview", json={"templates": BAD})
    assert (response.status_code, response.json()["error"]["details"]["fields"]) == (422, FAULTS)


async def test_a_channel_keeps_no_template_that_can_not_be_read(api):
    rejected = await api.post(PATH, json=make.channel_json(templates=BAD))
    assert (rejected.status_code, rejected.json()["error"]["details"]["fields"]) == (422, FAULTS)
    saved = await api.post(PATH, json=make.channel_json(templates={"title": "{{ name }}"}))
    assert saved.json()["templates"] == {"title": "{{ name }}", "text": ""}
    at = f"{PATH}/{saved.json()['id']}"
    changed = await api.patch(at, json={"templates": {"text": "{% for i in (1..999999) %}{% endfor %}"}})
    assert (changed.status_code, (await api.get(at)).json()["version"]) == (422, 1)
    assert changed.json()["error"]["details"]["fields"][0]["message"].startswith("line 1: it takes too long")


async def test_every_name_is_listed_with_its_meaning_and_an_example(api):
    variables = (await api.get(f"{PATH}/variables")).json()["variables"]
    assert {one["name"] for one in variables} == template_variables.NAMES
    examples = {one["name"]: one["example"] for one in variables}
    assert (examples["monitor.name"], examples["ping"]) == ("Shop", 41.6)
    assert examples["data"] == sample_events.sample_event(EventKind.MONITOR_DOWN).data


async def test_a_preview_shows_the_body_of_a_webhook_channel(api):
    body = '{"text": {{ title | json }}}'
    assert (await previewed(api, body=body))["body"] == '{"text": "Shop is down"}'
    assert (await previewed(api, body="{{ days }}", event="certificate.expiring", content_type="text/plain")) == {
        "title": "The certificate of shop.example.com expires in 7 days",
        "text": (await previewed(api, event="certificate.expiring"))["text"],
        "body": "7",
        "warnings": [],
        "event_warnings": [],
    }


async def test_a_preview_warns_of_a_body_that_is_not_json(api):
    preview = await previewed(api, body='{"text": {{ titel }}}')
    assert preview["warnings"][0] == "there is no variable titel"
    assert preview["warnings"][1].startswith("body: is not JSON, as the content type says")


async def test_a_body_with_an_error_is_refused_at_its_field(api):
    preview = await api.post(f"{PATH}/preview", json={"body": "{{ name"})
    config = {"url": "http://127.0.0.1:9/", "body": "a\n{{ name | shout }}", "query": {"text": "{% if %}"}}
    created = await api.post(PATH, json=make.channel_json(config=config))
    tested = await api.post(f"{PATH}/test", json=make.channel_json(config=config))
    fields = [
        [one["field"] for one in response.json()["error"]["details"]["fields"]]
        for response in (preview, created, tested)
    ]
    assert {response.status_code for response in (preview, created, tested)} == {422}
    assert fields == [["body"], *[["config.body", "config.query.text"]] * 2]


@pytest.mark.parametrize(
    ("body", "is_valid"),
    [
        ('{"text": {{ name | json }}, "ping": {{ ping | json }}}', True),
        ('{"text": "{{ name }}"}', False),  # a name may have quotes
        ('{"ping": {{ ping }}}', False),  # not every event has one
        ("{{ msg }}", False),
    ],
)
async def test_a_json_body_must_be_json_for_any_name_and_event(api, body, is_valid):
    config = {"url": "http://127.0.0.1:9/", "body": body}
    json_body = await api.post(PATH, json=make.channel_json(config=config))
    plain = await api.post(PATH, json=make.channel_json(config=config | {"content_type": "text/plain"}))
    assert (json_body.status_code, plain.status_code) == (201 if is_valid else 422, 201)
    if not is_valid:
        (error,) = json_body.json()["error"]["details"]["fields"]
        assert (error["field"], "json }}" in error["message"]) == ("config.body", True)


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"username": "a:b", "password": "c"}, "username"),
        ({"bearer_token": "a\nb"}, "bearer_token"),
        ({"bearer_token": "a", "headers": {"authorization": "b"}}, "headers.authorization"),
        ({"password": "a", "headers": {"Authorization": "b"}}, "headers.Authorization"),
        ({"method": "TRACE"}, "method"),
        ({"content_type": "text/plain\r\nX-Evil: 1"}, "content_type"),
        ({"content_type": "json"}, "content_type"),
    ],
)
async def test_a_sign_in_and_a_type_that_can_not_be_sent_are_refused(api, config, field):
    response = await api.post(PATH, json=make.channel_json(config={"url": "http://127.0.0.1:9/"} | config))
    assert response.status_code == 422
    assert [one["field"] for one in response.json()["error"]["details"]["fields"]] == [f"config.{field}"]


async def test_a_viewer_sees_no_body_and_no_parameters(api, viewer):
    config = {"url": "http://127.0.0.1:9/", "body": '"key 4711"', "query": {"key": "0815"}}
    created = await api.post(PATH, json=make.channel_json(config=config))
    at = f"{PATH}/{created.json()['id']}"
    assert (await api.get(at)).json()["config"]["query"] == {"key": "0815"}
    seen = (await api.get(at, headers=viewer)).json()["config"]
    assert (seen["body"], seen["query"]) == ("********", {"key": "********"})
