"""Requests of Apprise's services through the sandbox, and their results."""

import json
from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import pytest
import pytest_asyncio

from actors.apprise_sandbox.protocol import SandboxHttpRequest
from actors.senders import send
from actors.senders.kit.context import SenderContext, make_context
from actors.senders.kit.errors import DeliveryError
from actors.senders.kit.sandbox_requests import MAX_REQUESTS, SandboxRequests
from schema.channels import Apprise
from schema.events import EventKind
from schema.settings import EgressPolicy
from schema.status import Status
from tests.actors.senders import sample_messages
from tests.receiver import Arrival, Order, Receiver, receiving

TITLE = "Shop is down"
TEXT = "Down since 2026-11-22 12:00:00 UTC.\nno answer\n2026-11-22 12:00:00 UTC"
BOTH = f"{TITLE}\r\n{TEXT}"
SHOP = sample_messages.message(
    monitor=sample_messages.MessageMonitor(id="1", name="Shop", type="http"), msg="no answer"
)


pytestmark = pytest.mark.asyncio(loop_scope="module")  # one process in the cage serves them all


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kit() -> AsyncIterator[SenderContext]:
    made = make_context()
    yield made
    await made.close()


@pytest.fixture
def context(kit: SenderContext) -> SenderContext:
    kit.egress.use_policy(EgressPolicy())
    return kit


@pytest_asyncio.fixture(loop_scope="module")
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as one:
        yield one


class Case(NamedTuple):
    """A service of one's own, and the request that its documentation describes."""

    service: str
    fields: dict[str, Any]
    secrets: dict[str, str]
    path: str
    body: dict[str, Any]
    headers: Mapping[str, str] = MappingProxyType({})


BASIC = {"Authorization": "Basic YW5uOnMzY3IzdC1wYXNz"}
CASES = [
    Case(
        *("custom_json", {"schema": "json", "user": "ann"}, {"password": "s3cr3t-pass"}, "/"),
        {"version": "1.0", "title": TITLE, "message": TEXT, "attachments": [], "type": "failure"},
        BASIC,
    ),
    Case(
        *("custom_form", {"schema": "form"}, {}, "/"),
        {"version": "1.0", "title": TITLE, "message": TEXT, "type": "failure"},
    ),
    Case(
        *("gotify", {"schema": "gotify", "priority": 8}, {"token": "s3cr3t-gotify-1"}, "/message"),
        {"priority": 8, "title": TITLE, "message": TEXT},
        {"X-Gotify-Key": "s3cr3t-gotify-1"},
    ),
    Case(
        "ntfy", {"schema": "ntfy", "targets": ["alerts"]}, {}, "/", {"topic": "alerts", "title": TITLE, "message": TEXT}
    ),
    Case(
        *("mattermost", {"schema": "mmost"}, {"token": "s3cr3tmattermosttoken1"}, "/hooks/s3cr3tmattermosttoken1"),
        {"text": BOTH, "username": "Watchkeeper"},
    ),
    Case(
        *("nextcloud", {"schema": "ncloud", "user": "ann", "targets": ["ben"]}, {"password": "s3cr3t-pass"}),
        "/ocs/v2.php/apps/notifications/api/v2/admin_notifications/ben",
        {"shortMessage": TITLE, "longMessage": TEXT},
        BASIC | {"OCS-APIREQUEST": "true"},
    ),
    Case(
        *("nextcloudtalk", {"schema": "nctalk", "user": "ann", "targets": ["room1"]}, {"password": "s3cr3t-pass"}),
        *("/ocs/v2.php/apps/spreed/api/v1/chat/room1", {"message": BOTH}, BASIC),
    ),
    Case(
        *("home_assistant", {"schema": "hassio"}, {"accesstoken": "s3cr3t-access"}),
        "/api/services/persistent_notification/create",
        {"title": TITLE, "message": TEXT},
        {"Authorization": "Bearer s3cr3t-access"},
    ),
    Case(
        *("synology", {"schema": "synology"}, {"token": "s3cr3t-synology"}),
        "/webapi/entry.cgi?api=SYNO.Chat.External&method=incoming&version=2&token=s3cr3t-synology",
        {"payload": json.dumps({"text": BOTH})},
    ),
    Case(
        *("bark", {"schema": "bark"}, {"targets": "s3cr3tdevice"}, "/push"),
        {"device_key": "s3cr3tdevice", "title": TITLE, "body": TEXT},
    ),
    Case(
        *("signal_api", {"schema": "signal", "from_phone": "15551235553", "targets": ["15551235554"]}, {}, "/v2/send"),
        {"message": BOTH, "number": "+15551235553", "text_mode": "normal", "recipients": ["+15551235554"]},
    ),
    Case(
        *("mastodon", {"schema": "mastodon"}, {"token": "s3cr3t-access"}, "/api/v1/statuses"),
        {"status": BOTH, "sensitive": False},
        {"Authorization": "Bearer s3cr3t-access"},
    ),
    Case(
        *("misskey", {"schema": "misskey"}, {"token": "s3cr3t-access"}, "/api/notes/create"),
        {"i": "s3cr3t-access", "text": BOTH, "visibility": "public"},
    ),
    Case(
        *("gorush", {"schema": "gorush", "targets": ["device1"]}, {}, "/api/push"),
        {"notifications": [{"tokens": ["device1"], "platform": 2, "message": TEXT, "title": TITLE}]},
    ),
    Case(
        *("apprise_api", {"schema": "apprise"}, {"token": "s3cr3t-config"}, "/notify"),
        {"title": TITLE, "body": TEXT, "type": "failure", "format": "text"},
        {"X-Apprise-Config-ID": "s3cr3t-config"},
    ),
]


def at(receiver: Receiver, service: str, fields: dict[str, Any], secrets: dict[str, str]) -> Apprise:
    host, _, port = receiver.url.removeprefix("http://").partition(":")
    return Apprise(service=service, fields={**fields, "host": host, "port": int(port)}, secrets=secrets)


def plain(receiver: Receiver, path: str = "", scheme: str = "json") -> Apprise:
    return Apprise(url=f"{receiver.url.replace('http', scheme)}/{path}")


def body_of(arrival: Arrival) -> dict[str, Any]:
    if arrival.headers["Content-Type"].startswith("application/json"):
        return dict(json.loads(arrival.body))
    return {name: values[0] for name, values in parse_qs(arrival.body.decode()).items()}


async def undelivered(config: Apprise, context: SenderContext) -> DeliveryError:
    with pytest.raises(DeliveryError) as failed:
        await send(config, SHOP, context)
    return failed.value


async def delivery_error(config: Apprise, context: SenderContext) -> str:
    """Why it was not delivered, or that it was."""
    try:
        await send(config, SHOP, context)
    except DeliveryError as failed:
        return failed.reason
    return "sent"


@pytest.mark.parametrize("case", CASES, ids=lambda one: one.service)
async def test_a_service_receives_what_its_documentation_requires(
    case: Case, receiver: Receiver, context: SenderContext
) -> None:
    await send(at(receiver, case.service, case.fields, case.secrets), SHOP, context)
    (arrival,) = receiver.arrivals
    assert (arrival.method, arrival.path) == ("POST", case.path)
    body = body_of(arrival)
    assert {name: body.get(name) for name in case.body} == case.body
    assert set(body) - set(case.body) <= {"notification_id"}
    assert {name: arrival.headers.get(name) for name in case.headers} == dict(case.headers)


async def test_xml_is_escaped(receiver: Receiver, context: SenderContext) -> None:
    await send(at(receiver, "custom_xml", {"schema": "xml"}, {}), sample_messages.message(), context)
    (arrival,) = receiver.arrivals
    assert b"<Subject>Shop &lt;b&gt;&amp;&lt;/b&gt; *bar* is down</Subject>" in arrival.body


async def test_matrix_signs_in_joins_and_sends_to_the_room(receiver: Receiver, context: SenderContext) -> None:
    receiver.answer(
        Order(body='{"access_token":"s3cr3t-a","home_server":"m.example","user_id":"@ann:m.example"}', times=1),
        Order(body='{"room_id":"!room:m.example"}', times=1),
        Order(body='{"event_id":"$1"}', times=1),
    )
    fields = {"schema": "matrix", "user": "ann", "targets": ["!room:m.example"], "e2ee": False, "discovery": False}
    await send(at(receiver, "matrix", fields, {"password": "s3cr3t-pass"}), SHOP, context)
    room = "%21room%3Am.example"
    assert [(one.method, one.path.removeprefix("/_matrix/client/v3/")) for one in receiver.arrivals] == [
        ("POST", "login"),
        ("POST", f"join/{room}"),
        ("PUT", f"rooms/{room}/send/m.room.message/0"),
        ("POST", "logout"),
    ]
    assert TITLE in json.loads(receiver.arrivals[2].body)["body"]
    assert receiver.arrivals[2].headers["Authorization"] == "Bearer s3cr3t-a"


@pytest.mark.parametrize(
    ("event", "status", "mood"),
    [
        (EventKind.MONITOR_DOWN, Status.DOWN, "failure"),
        (EventKind.MONITOR_UP, Status.UP, "success"),
        (EventKind.MONITOR_DEGRADED, Status.DEGRADED, "warning"),
        (EventKind.TEST, None, "info"),
    ],
)
async def test_the_kind_of_event_is_passed_on(
    event: EventKind, status: Status | None, mood: str, receiver: Receiver, context: SenderContext
) -> None:
    await send(plain(receiver), sample_messages.message(event=event, status=status), context)
    assert body_of(receiver.arrivals[0])["type"] == mood


@pytest.mark.parametrize(
    ("status", "permanent"),
    [
        *((one, "permanent") for one in (400, 401, 403, 404, 410)),
        *((one, "") for one in (408, 425, 429, 500, 502, 503)),
    ],
)
async def test_the_status_decides_on_retries(
    status: int, permanent: str, receiver: Receiver, context: SenderContext
) -> None:
    receiver.answer(Order(status=status, headers={"Retry-After": "7"}))
    failed = await undelivered(plain(receiver), context)
    assert (failed.permanent, failed.retry_after_s) == (bool(permanent), 7)
    assert (failed.channel_level, failed.endpoint_gone, failed.got_response) == (
        status in {401, 403, 404, 410},
        status == 410,
        True,
    )
    assert failed.reason.startswith(f"answered {status} ")
    assert len(receiver.arrivals) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(status: int, receiver: Receiver, context: SenderContext) -> None:
    async with receiving() as elsewhere:
        receiver.answer(Order(status=status, headers={"Location": elsewhere.url}))
        failed = await undelivered(plain(receiver), context)
    assert failed.permanent
    assert "redirects are not followed" in failed.reason
    assert elsewhere.arrivals == []


async def test_a_closed_port_is_a_temporary_error(context: SenderContext) -> None:
    failed = await undelivered(Apprise(url="json://127.0.0.1:9/"), context)
    assert (failed.permanent, failed.retry_after_s, failed.got_response) == (False, None, False)
    assert failed.reason.startswith("no connection: Connection refused")


async def test_a_refusal_reported_as_success_is_retried(receiver: Receiver, context: SenderContext) -> None:
    receiver.answer(Order(status=200, body='{"status":"failed","retcode":1404}'))
    failed = await undelivered(at(receiver, "onebot", {"schema": "onebot", "targets": ["#123"]}, {}), context)
    assert failed.reason.startswith("the service did not take it")
    assert not failed.permanent


async def test_an_address_with_several_recipients_is_rejected(receiver: Receiver, context: SenderContext) -> None:
    """When only one of two recipients has it, it cannot be sent again."""
    several = at(receiver, "ntfy", {"schema": "ntfy", "targets": ["one", "two"]}, {})
    failed = await undelivered(several, context)
    assert failed.permanent
    assert failed.reason.startswith("the address stands for 2 messages")
    assert receiver.arrivals == []


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("gotify://127.0.0.1/", "the address is not one that the service understands"),
        ("mailto://ann:sesame@example.org", "this version knows no such service"),
        ("http://127.0.0.1:9/", "this version knows no such service"),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/?template=/etc/passwd", "(held back: open)"),
    ],
)
async def test_an_address_that_can_t_be_used_is_not_tried_again(url: str, reason: str, context: SenderContext) -> None:
    context.egress.use_policy(EgressPolicy(deny=["0.0.0.0/0", "::/0"]))
    failed = await undelivered(Apprise(url=url), context)
    assert failed.permanent
    assert reason in failed.reason


@pytest.mark.parametrize("status", [200, 401, 500])
async def test_no_piece_of_an_address_is_in_a_reason(status: int, receiver: Receiver, context: SenderContext) -> None:
    receiver.answer(Order(status=status, body="{}"))
    here = receiver.url.removeprefix("http://")
    responses = [
        await delivery_error(Apprise(url=url), context)
        for url in (
            f"json://ann:s3s4me@{here}/hook/s3cr3t-piece-of-a-path?-key=s3cr3t-query",
            f"gotify://{here}/s3cr3t-piece-1",
            f"mmost://{here}/s3cr3t-piece-of-a-path-1",
            f"onebot://s3cr3t-piece@{here}/%231",
        )
    ]
    assert not [piece for piece in ("s3cr3t", "s3s4me", "YW5uOnMzczRtZQ") if piece in "\n".join(responses)]


async def test_a_service_can_not_send_requests_for_ever(receiver: Receiver, context: SenderContext) -> None:
    errands = SandboxRequests(context.http)
    answers = [await errands.send(SandboxHttpRequest("GET", receiver.url, [], b"")) for _ in range(MAX_REQUESTS + 2)]
    assert len(receiver.arrivals) == MAX_REQUESTS
    assert answers[-1].error == "that is enough of requests for one message"


@pytest.mark.parametrize(
    ("method", "url"),
    [("POST", "ftp://127.0.0.1/"), ("POST", "file:///etc/passwd"), ("TRACE", ""), ("POST", "http://ann:b@127.0.0.1/")],
)
async def test_non_http_urls_credentials_and_trace_requests_are_rejected(
    method: str, url: str, receiver: Receiver, context: SenderContext
) -> None:
    errands = SandboxRequests(context.http)
    answer = await errands.send(SandboxHttpRequest(method, url or receiver.url, [], b""))
    assert answer.error == "the service wants to call what is no web address"
    assert receiver.arrivals == []


async def test_an_answer_is_read_up_to_a_bound_and_without_its_way_on(
    receiver: Receiver, context: SenderContext
) -> None:
    receiver.answer(Order(status=302, headers={"Location": "http://127.0.0.1:9/", "X-Kept": "1"}, body="x" * 1_500_000))
    answer = await SandboxRequests(context.http).send(SandboxHttpRequest("GET", receiver.url, [], b""))
    assert len(answer.body) == 1_000_000
    assert {name.lower() for name, _ in answer.headers} & {"location", "x-kept"} == {"x-kept"}
