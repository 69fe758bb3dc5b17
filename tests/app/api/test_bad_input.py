"""Whatever is sent, the answer is a refusal that names every wrong field, and nothing of it is stored."""

from typing import Any

import pytest

from app import db
from tests import make
from tests.app.api.running_app import ADMIN_TOKEN

pytestmark = pytest.mark.either_engine

MONITORS, CHANNELS = "/api/v1/monitors", "/api/v1/notification-channels"
JSON = {"Content-Type": "application/json"}
BOTH = pytest.mark.parametrize("path", [MONITORS, CHANNELS])


@pytest.fixture
async def api(client):
    """A client that may do everything; at the end of the test there is still nothing."""
    client.headers["Authorization"] = f"Bearer {ADMIN_TOKEN}"
    yield client
    for table in ("monitors", "series", "schedule_periods", "monitor_channels", "channels", "events", "deliveries"):
        assert await db.rows(f"SELECT * FROM {table}") == [], table


def error_of(response) -> dict[str, Any]:
    """The error, after looking at its shape."""
    error: dict[str, Any] = response.json()["error"]
    assert set(error) == {"code", "message", "details", "timestamp", "request_id"}
    assert error["request_id"] == response.headers["X-Request-ID"]
    return error


def fields_of(response) -> set[str]:
    """The fields a 422 names, each with a sentence."""
    assert response.status_code == 422, response.text
    fields = error_of(response)["details"]["fields"]
    assert all(one["message"] for one in fields)
    return {one["field"] for one in fields}


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"name": 7}, {"name"}),
        ({"name": ""}, {"name"}),
        ({"active": "yes"}, {"active"}),
        ({"colour": "red"}, {"colour"}),
        ({"type": "carrier-pigeon"}, {"type"}),
        ({"type": None}, {"type"}),
        ({"interval": 4}, {"interval"}),
        ({"interval": 2_678_401}, {"interval"}),
        ({"interval": "60"}, {"interval"}),
        ({"interval": 10, "timeout": 11}, {"timeout"}),
        ({"timeout": 0}, {"timeout"}),
        ({"max_retries": -1}, {"max_retries"}),
        ({"retry_interval": 1}, {"retry_interval"}),
        ({"config": {}}, {"config.url"}),
        ({"config": []}, {"config"}),
        ({"config": {"url": "http://ada:secret@127.0.0.1/"}}, {"config.url"}),
        ({"config": {"url": "file:///etc/passwd"}}, {"config.url"}),
        ({"config": {"url": "gopher://127.0.0.1/"}}, {"config.url"}),
        ({"config": {"url": "127.0.0.1"}}, {"config.url"}),
        ({"config": {"url": "http://127.0.0.1/", "method": "BREW"}}, {"config.method"}),
        ({"config": {"url": "http://h/", "accepted_statuscodes": ["2XX", "9"]}}, {"config.accepted_statuscodes.1"}),
        ({"config": {"url": "http://127.0.0.1/", "headers": {"X-Key": "********"}}}, {"config.headers.X-Key"}),
        ({"notification_channel_ids": ["nobody"]}, {"notification_channel_ids.0"}),
        ({"name": 7, "interval": 4, "colour": "red", "config": {"port": 1}},
         {"name", "interval", "colour", "config.url", "config.port"}),
    ],
)  # fmt: skip
async def test_a_monitor_with_wrong_fields_is_refused_with_all_of_them(api, changes, fields):
    assert (
        fields_of(await api.post(MONITORS, json=make.monitor_json(**{"notification_channel_ids": [], **changes})))
        == fields
    )


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"name": "x" * 151}, {"name"}),
        ({"type": "fax"}, {"type"}),
        ({"config": {"url": "ftp://127.0.0.1/"}, "active": 1}, {"config.url", "active"}),
        ({"config": {"url": "http://127.0.0.1/", "secret": "********"}}, {"config.secret"}),
        ({"type": "smtp", "config": {"to": ["nobody"]}}, {"config.host", "config.sender", "config.to.0"}),
        ({"type": "telegram", "config": {"chat_id": "7"}}, {"config.bot_token"}),
    ],
)
async def test_a_channel_with_wrong_fields_is_refused_with_all_of_them(api, changes, fields):
    assert fields_of(await api.post(CHANNELS, json=make.channel_json(**changes))) == fields


@BOTH
async def test_missing_fields_are_required(api, path):
    assert fields_of(await api.post(path, json={})) == {"type"}
    assert fields_of(await api.post(path, json={"type": "webhook" if path == CHANNELS else "http"})) == {
        "name",
        "config",
    }


@BOTH
@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 400, "BAD_REQUEST"),
        (b"{", 400, "BAD_REQUEST"),
        (b"name=web", 400, "BAD_REQUEST"),
        (b'{"name": "\xff"}', 400, "BAD_REQUEST"),
        (b"[" * 100_000, 400, "BAD_REQUEST"),
        (b"null", 422, "VALIDATION_ERROR"),
        (b"[]", 422, "VALIDATION_ERROR"),
        (b'{"name": "' + b"x" * 1_000_000 + b'"}', 413, "PAYLOAD_TOO_LARGE"),
    ],
)
async def test_a_body_that_can_not_be_read_is_refused(api, path, content, status, code):
    response = await api.post(path, content=content, headers=JSON)
    assert (response.status_code, error_of(response)["code"]) == (status, code)


@BOTH
async def test_a_body_of_another_kind_is_refused(api, path):
    response = await api.post(path, data={"name": "web"})
    assert (response.status_code, error_of(response)["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize("id_", ["7", "not-a-uuid", "00000000-0000-0000-0000-00000000000g"])
@pytest.mark.parametrize(("path", "field"), [(MONITORS, "monitor_id"), (CHANNELS, "channel_id")])
async def test_an_id_that_is_no_uuid_is_refused_by_its_name(api, path, field, id_):
    responses = [await api.get(f"{path}/{id_}"), await api.delete(f"{path}/{id_}")]
    responses.append(await api.patch(f"{path}/{id_}", json={"name": "x"}))
    assert [fields_of(response) for response in responses] == [{field}] * 3


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("page=0", "page"),
        ("page=-1", "page"),
        ("page=one", "page"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("sort=colour", "sort"),
        ("order=up", "order"),
        ("colour=red", "colour"),
        ("active=maybe", "active"),
        ("type=fax", "type"),
        ("q=" + "x" * 151, "q"),
        ("q=%00", "q"),
    ],
)
@BOTH
async def test_a_question_that_makes_no_sense_is_refused_by_its_name(api, path, query, field):
    assert fields_of(await api.get(f"{path}?{query}")) == {field}


async def test_several_wrong_questions_are_named_together(api):
    assert fields_of(await api.get(f"{MONITORS}?page=0&sort=colour&status=fine")) == {"page", "sort", "status"}
    assert fields_of(await api.get(f"{MONITORS}?colour=red&shape=round")) == {"colour", "shape"}


async def test_the_message_names_what_is_valid(api):
    fields = error_of(await api.get(f"{MONITORS}?sort=colour"))["details"]["fields"]
    assert fields == [{"field": "sort", "message": "must be one of created_at, name, status, updated_at"}]
