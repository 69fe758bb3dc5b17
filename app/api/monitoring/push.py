"""Push addresses: jobs and services report to us. The token in the path is all a caller needs, so nothing is shown."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, nullcontext
from typing import Annotated, Any

import msgspec
from litestar import Controller, HttpMethod, MediaType, Request, get, post, route
from litestar.exceptions import HTTPException
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, QueryParameter
from litestar.response.base import ASGIResponse
from msgspec import Struct

from app.api.http import query_params
from app.api.http.rate_limits import FREE, RATE
from app.api.http.request_context import QUIET
from app.api.monitoring import push_ingest, push_runs
from app.domain.monitoring import push_deadlines, push_report
from app.domain.monitoring.push_deadlines import Reports, Terms
from app.domain.monitoring.push_report import BODY_LIMIT_BYTES, MESSAGE_LIMIT, Report
from app.domain.parsing import sanitize
from app.errors import LateBody
from app.security.auth.policy import ANYONE
from app.security.limits.client_ip import address_of
from schema.field_types import MASK
from schema.heartbeat_texts import LOGGED, PUSHED, STARTED
from schema.jobs import Outcome
from schema.monitors import Snapshot
from schema.status import Status
from schema.targets import Push

BEYOND_BYTES = 1_000  # read beyond what is kept: a token that is masked there makes what is kept shorter
DRAINED_BYTES = 64_000_000  # of a body that are read and dropped, so that its sender takes the reply

AnyRequest = Request[Any, Any, Any]
StatusWord = Annotated[str, QueryParameter(description="How it went: `up`, which is meant without it, or `down`.")]
Note = Annotated[
    str,
    QueryParameter(
        description=f"A few words that are kept with the heartbeat; the first {MESSAGE_LIMIT} characters of them."
    ),
]
Took = Annotated[
    str, QueryParameter(description="Milliseconds it took; may be empty. What is no such number is ignored.")
]
RunId = Annotated[
    str,
    QueryParameter(
        description="Id of a run, up to 64 letters, digits, `_` and `-`: the same at its start and its end, and how"
        " long it took is measured. Any other is ignored."
    ),
]


class Pinged(Struct, frozen=True, omit_defaults=True):
    """The report is stored.

    ignored  parameters that were left out, since they can't be what they say; absent when there are none
    """

    ok: bool
    ignored: list[str] = []


def _reply(report: Report) -> ASGIResponse:
    body = msgspec.json.encode(Pinged(True, list(report.ignored)))
    return ASGIResponse(body=body, media_type=MediaType.JSON)


PINGED = _reply(push_report.read("", ()))  # made once: pings are many
PONG = ASGIResponse(body=b"OK", media_type=MediaType.TEXT, headers={"Ping-Body-Limit": str(BODY_LIMIT_BYTES)})
ANSWER = {200: ResponseSpec(Pinged, description="The report is stored.", generate_examples=False)}
OPT = {"refusals": [404, 409, 429], QUIET: True, RATE: FREE, query_params.CLEANED: True}


async def take(
    request: AnyRequest, token: str, signal: str = "", *, msg: str = "", ping: str = "", rid: str = ""
) -> ASGIResponse:
    """Store one report; answered when it is durable. Raises NotFound, Conflict (paused), TooMany, Invalid."""
    address = await push_ingest.addresses.find(token)
    async with _beginning_of_body(request) if request.method == "POST" else nullcontext(b"") as body:
        report = push_report.read(signal, _statuses(request), msg, ping, rid, body)
        await _store(report, address, address_of(request), token)
    return _reply(report) if report.ignored else PINGED


def _statuses(request: AnyRequest) -> list[str]:
    """Every `status` that was given: of several Litestar hands on one."""
    return request.query_params.getall("status", []) if request.scope["query_string"] else []


@asynccontextmanager
async def _beginning_of_body(request: AnyRequest) -> AsyncIterator[bytes]:
    """As much of the body as is looked at; the rest is read and dropped afterwards, when the report is stored."""
    begun = bytearray()
    async with aclosing(request.stream()) as pieces:
        await _read(pieces, begun, BODY_LIMIT_BYTES + BEYOND_BYTES)
        yield bytes(begun[: BODY_LIMIT_BYTES + BEYOND_BYTES])
        await _drain(pieces)


async def _read(pieces: AsyncGenerator[bytes, None], into: bytearray, enough: int) -> None:
    """Read so many bytes, or what there is: a sender that is slow or gone has said how it went all the same."""
    try:
        async for piece in pieces:
            into += piece
            if len(into) >= enough:
                return
    except (HTTPException, LateBody):
        return


async def _drain(pieces: AsyncGenerator[bytes, None]) -> None:
    dropped = 0
    try:
        async for piece in pieces:
            dropped += len(piece)
            if dropped > DRAINED_BYTES:
                return
    except (HTTPException, LateBody):
        return


async def _store(report: Report, address: push_ingest.Address, source: str, token: str) -> None:
    snapshot, at_ms = address.snapshot, address.next_ms()
    ran_ms = await _ran_ms(snapshot.series, report, at_ms) if report.run_id else None
    outcome = Outcome(
        series=snapshot.series,
        version=snapshot.version,
        at_ms=at_ms,
        seen=report.status,
        began_ms=at_ms,
        took_us=round((report.took_ms or ran_ms or 0) * 1000),
        code=report.code,
        message=sanitize.sentence(report.message.replace(token, MASK), MESSAGE_LIMIT) if report.message else "",
        detail=_facts(_detail(report, ran_ms, token) | _source(report, source, is_new=address.is_new(source))),
        early=True,
        look_ms=_look_ms(snapshot, report, at_ms),
    )
    await push_ingest.mailbox.post(outcome, snapshot)


async def _ran_ms(series: int, report: Report, at_ms: int) -> int | None:
    """How long the run has taken that ends with this; None when it only starts, or nobody knows."""
    if report.code == STARTED:
        await push_runs.begin(series, report.run_id, at_ms)
    if report.code != PUSHED:
        return None
    began_ms = await push_runs.began_ms(series, report.run_id)
    return None if began_ms is None else max(0, at_ms - began_ms)


def _detail(report: Report, ran_ms: int | None, token: str) -> dict[str, Any]:
    """What is kept beside the heartbeat. A job's log often holds the address it reports to, and readers are many."""
    detail: dict[str, Any] = {}
    if report.run_id:
        detail["run_id"] = report.run_id
    if ran_ms is not None:
        detail["ran_s"] = ran_ms / 1000
    if report.body:
        masked = report.body.replace(token.encode(), MASK.encode())  # before it is cut, or a part of it would stay
        detail["body"] = masked[:BODY_LIMIT_BYTES].decode(errors="replace")
    return detail


def _facts(detail: dict[str, Any]) -> dict[str, Any] | None:
    """As everything behind us can take it; most reports bring nothing."""
    return sanitize.facts(detail) if detail else None


def _source(report: Report, source: str, *, is_new: bool) -> dict[str, Any]:
    """Where a report came from. Everyday ones from where the one before came from would be a row more each."""
    return {"from": source} if source and (is_new or report.status is Status.DOWN or report.body) else {}


def _look_ms(snapshot: Snapshot, report: Report, at_ms: int) -> int:
    """When the monitor must be looked at, should nothing more come in."""
    target = snapshot.target
    if not isinstance(target, Push) or report.code == LOGGED:
        return 0
    grace_ms = None if target.grace is None else target.grace * 1000
    if report.code == STARTED:
        return 0 if grace_ms is None else at_ms + grace_ms + 1
    terms = Terms(snapshot.interval_ms, snapshot.cron, snapshot.timezone, grace_ms)
    return push_deadlines.find(Reports(at_ms), terms, at_ms).look_ms if report.status is Status.UP else 0


class PushController(Controller):
    """Monitors of the type `push` are reported to here."""

    path = "/push/{token:str}"
    tags = ("Push",)
    guards = (ANYONE,)
    opt = OPT
    request_max_body_size = None  # of a report nothing is refused for its size

    @get(operation_id="Push", responses=ANSWER)
    async def ping(
        self,
        token: FromPath[str],
        request: AnyRequest,
        status: StatusWord = "up",
        msg: Note = "",
        ping: Took = "",
        rid: RunId = "",
    ) -> ASGIResponse:
        """Report. Answered when the report is stored safely."""
        del status  # in the document; read with all of its values
        return await take(request, token, msg=msg, ping=ping, rid=rid)

    @post(operation_id="PushWithBody", status_code=200, responses=ANSWER)
    async def ping_with_body(
        self,
        token: FromPath[str],
        request: AnyRequest,
        status: StatusWord = "up",
        msg: Note = "",
        ping: Took = "",
        rid: RunId = "",
    ) -> ASGIResponse:
        """Report, with a log or anything else in the body: its first 10 kB are kept, and not read as a report."""
        del status  # in the document; read with all of its values
        return await take(request, token, msg=msg, ping=ping, rid=rid)

    @get("/{signal:str}", operation_id="PushSignal", responses=ANSWER)
    async def signal(
        self, token: FromPath[str], signal: FromPath[str], request: AnyRequest, msg: Note = "", rid: RunId = ""
    ) -> ASGIResponse:
        """Say `start`, `fail`, `log`, or with which exit code it ended: 0 is success, every other one is failure."""
        return await take(request, token, signal, msg=msg, rid=rid)

    @post("/{signal:str}", operation_id="PushSignalWithBody", status_code=200, responses=ANSWER)
    async def signal_with_body(
        self, token: FromPath[str], signal: FromPath[str], request: AnyRequest, msg: Note = "", rid: RunId = ""
    ) -> ASGIResponse:
        """Say the same, with a log or anything else in the body: its first 10 kB are kept."""
        return await take(request, token, signal, msg=msg, rid=rid)


@route(
    ["/api/push/{token:str}", "/ping/{token:str}", "/ping/{token:str}/{signal:str}"],
    http_method=[HttpMethod.GET, HttpMethod.POST],
    status_code=200,
    guards=[ANYONE],
    opt=OPT,
    request_max_body_size=None,
    include_in_schema=False,
)
async def alias(request: AnyRequest) -> ASGIResponse:
    """The addresses that scripts for Uptime Kuma and Healthchecks have built in; the reply is what they wait for."""
    path, words = request.path_params, request.query_params
    given = {name: str(words.get(name, "")) for name in ("msg", "ping", "rid")}
    reply = await take(request, path["token"], path.get("signal", ""), **given)
    return PONG if request.scope["path"].startswith("/ping/") else reply
