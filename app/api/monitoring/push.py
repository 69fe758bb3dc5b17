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
from app.api.http.rate_limits import RATE, UNLIMITED
from app.api.http.request_context import QUIET
from app.api.monitoring import push_ingest, push_runs
from app.domain.monitoring import push_deadlines, push_report
from app.domain.monitoring.push_deadlines import PushSchedule, ReceivedReports
from app.domain.monitoring.push_report import BODY_LIMIT_BYTES, MESSAGE_LIMIT, PushReport
from app.domain.parsing import sanitize
from app.errors import LateBody
from app.security.auth.policy import ANYONE
from app.security.limits.client_ip import address_of
from schema.field_types import MASK
from schema.heartbeat_texts import LOGGED, PUSHED, STARTED
from schema.jobs import CheckOutcome
from schema.monitors import Snapshot
from schema.status import Status
from schema.targets import Push

MASKING_MARGIN_BYTES = 1_000  # read beyond what is kept: a token that is masked there makes what is kept shorter
MAX_DRAINED_BYTES = 64_000_000  # of a body that are read and dropped, so that its sender takes the reply

AnyRequest = Request[Any, Any, Any]
ReportedStatus = Annotated[str, QueryParameter(description="How it went: `up`, which is meant without it, or `down`.")]
ReportMessage = Annotated[
    str,
    QueryParameter(
        description=f"A few words that are kept with the heartbeat; the first {MESSAGE_LIMIT} characters of them."
    ),
]
DurationMs = Annotated[
    str, QueryParameter(description="Milliseconds it took; may be empty. What is no such number is ignored.")
]
RunId = Annotated[
    str,
    QueryParameter(
        description="Id of a run, up to 64 letters, digits, `_` and `-`: the same at its start and its end, and how"
        " long it took is measured. Any other is ignored."
    ),
]


class PushReceipt(Struct, frozen=True, omit_defaults=True):
    """The report is stored.

    ignored  parameters that were left out, since they can't be what they say; absent when there are none
    """

    ok: bool
    ignored: list[str] = []


def _receipt(report: PushReport) -> ASGIResponse:
    body = msgspec.json.encode(PushReceipt(True, list(report.ignored)))
    return ASGIResponse(body=body, media_type=MediaType.JSON)


PLAIN_RECEIPT = _receipt(push_report.parse_report("", ()))  # made once: pings are many
HEALTHCHECKS_REPLY = ASGIResponse(
    body=b"OK", media_type=MediaType.TEXT, headers={"Ping-Body-Limit": str(BODY_LIMIT_BYTES)}
)
RECEIPT_RESPONSES = {200: ResponseSpec(PushReceipt, description="The report is stored.", generate_examples=False)}
ROUTE_OPTIONS = {"refusals": [404, 409, 429], QUIET: True, RATE: UNLIMITED, query_params.SANITIZED: True}


async def accept_report(
    request: AnyRequest, token: str, signal: str = "", *, msg: str = "", ping: str = "", rid: str = ""
) -> ASGIResponse:
    """Store one report; answered when it is durable. Raises NotFound, Conflict (paused), TooMany, Invalid."""
    address = await push_ingest.endpoints.find(token)
    async with _body_head(request) if request.method == "POST" else nullcontext(b"") as body:
        report = push_report.parse_report(signal, _statuses(request), msg, ping, rid, body)
        await _store_report(report, address, address_of(request), token)
    return _receipt(report) if report.ignored else PLAIN_RECEIPT


def _statuses(request: AnyRequest) -> list[str]:
    """Every `status` that was given: of several Litestar hands on one."""
    return request.query_params.getall("status", []) if request.scope["query_string"] else []


@asynccontextmanager
async def _body_head(request: AnyRequest) -> AsyncIterator[bytes]:
    """As much of the body as is looked at; the rest is read and dropped afterwards, when the report is stored."""
    begun = bytearray()
    async with aclosing(request.stream()) as pieces:
        await _read_up_to(pieces, begun, BODY_LIMIT_BYTES + MASKING_MARGIN_BYTES)
        yield bytes(begun[: BODY_LIMIT_BYTES + MASKING_MARGIN_BYTES])
        await _drain(pieces)


async def _read_up_to(pieces: AsyncGenerator[bytes, None], into: bytearray, enough: int) -> None:
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
            if dropped > MAX_DRAINED_BYTES:
                return
    except (HTTPException, LateBody):
        return


async def _store_report(report: PushReport, address: push_ingest.PushEndpoint, source: str, token: str) -> None:
    snapshot, at_ms = address.snapshot, address.next_ms()
    ran_ms = await _run_duration_ms(snapshot.series, report, at_ms) if report.run_id else None
    outcome = CheckOutcome(
        series=snapshot.series,
        version=snapshot.version,
        at_ms=at_ms,
        status=report.status,
        began_ms=at_ms,
        took_us=round((report.took_ms or ran_ms or 0) * 1000),
        code=report.code,
        message=sanitize.single_line(report.message.replace(token, MASK), MESSAGE_LIMIT) if report.message else "",
        detail=_bounded_detail(
            _detail(report, ran_ms, token) | _source(report, source, is_new=address.is_new_source(source))
        ),
        early=True,
        recheck_ms=_recheck_ms(snapshot, report, at_ms),
    )
    await push_ingest.batcher.submit(outcome, snapshot)


async def _run_duration_ms(series: int, report: PushReport, at_ms: int) -> int | None:
    """How long the run has taken that ends with this; None when it only starts, or nobody knows."""
    if report.code == STARTED:
        await push_runs.record_start(series, report.run_id, at_ms)
    if report.code != PUSHED:
        return None
    began_ms = await push_runs.started_ms(series, report.run_id)
    return None if began_ms is None else max(0, at_ms - began_ms)


def _detail(report: PushReport, ran_ms: int | None, token: str) -> dict[str, Any]:
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


def _bounded_detail(detail: dict[str, Any]) -> dict[str, Any] | None:
    """As everything behind us can take it; most reports bring nothing."""
    return sanitize.bounded_detail(detail) if detail else None


def _source(report: PushReport, source: str, *, is_new: bool) -> dict[str, Any]:
    """Where a report came from. Everyday ones from where the one before came from would be a row more each."""
    return {"from": source} if source and (is_new or report.status is Status.DOWN or report.body) else {}


def _recheck_ms(snapshot: Snapshot, report: PushReport, at_ms: int) -> int:
    """When the monitor must be looked at, should nothing more come in."""
    target = snapshot.target
    if not isinstance(target, Push) or report.code == LOGGED:
        return 0
    grace_ms = None if target.grace is None else target.grace * 1000
    if report.code == STARTED:
        return 0 if grace_ms is None else at_ms + grace_ms + 1
    terms = PushSchedule(snapshot.interval_ms, snapshot.cron, snapshot.timezone, grace_ms)
    return push_deadlines.evaluate(ReceivedReports(at_ms), terms, at_ms).recheck_ms if report.status is Status.UP else 0


class PushController(Controller):
    """Monitors of the type `push` are reported to here."""

    path = "/push/{token:str}"
    tags = ("Push",)
    guards = (ANYONE,)
    opt = ROUTE_OPTIONS
    request_max_body_size = None  # of a report nothing is refused for its size

    @get(operation_id="Push", responses=RECEIPT_RESPONSES)
    async def push(
        self,
        token: FromPath[str],
        request: AnyRequest,
        status: ReportedStatus = "up",
        msg: ReportMessage = "",
        ping: DurationMs = "",
        rid: RunId = "",
    ) -> ASGIResponse:
        """Report. Answered when the report is stored safely."""
        del status  # in the document; read with all of its values
        return await accept_report(request, token, msg=msg, ping=ping, rid=rid)

    @post(operation_id="PushWithBody", status_code=200, responses=RECEIPT_RESPONSES)
    async def push_with_body(
        self,
        token: FromPath[str],
        request: AnyRequest,
        status: ReportedStatus = "up",
        msg: ReportMessage = "",
        ping: DurationMs = "",
        rid: RunId = "",
    ) -> ASGIResponse:
        """Report, with a log or anything else in the body: its first 10 kB are kept, and not read as a report."""
        del status  # in the document; read with all of its values
        return await accept_report(request, token, msg=msg, ping=ping, rid=rid)

    @get("/{signal:str}", operation_id="PushSignal", responses=RECEIPT_RESPONSES)
    async def push_signal(
        self, token: FromPath[str], signal: FromPath[str], request: AnyRequest, msg: ReportMessage = "", rid: RunId = ""
    ) -> ASGIResponse:
        """Say `start`, `fail`, `log`, or with which exit code it ended: 0 is success, every other one is failure."""
        return await accept_report(request, token, signal, msg=msg, rid=rid)

    @post("/{signal:str}", operation_id="PushSignalWithBody", status_code=200, responses=RECEIPT_RESPONSES)
    async def push_signal_with_body(
        self, token: FromPath[str], signal: FromPath[str], request: AnyRequest, msg: ReportMessage = "", rid: RunId = ""
    ) -> ASGIResponse:
        """Say the same, with a log or anything else in the body: its first 10 kB are kept."""
        return await accept_report(request, token, signal, msg=msg, rid=rid)


@route(
    ["/api/push/{token:str}", "/ping/{token:str}", "/ping/{token:str}/{signal:str}"],
    http_method=[HttpMethod.GET, HttpMethod.POST],
    status_code=200,
    guards=[ANYONE],
    opt=ROUTE_OPTIONS,
    request_max_body_size=None,
    include_in_schema=False,
)
async def alias(request: AnyRequest) -> ASGIResponse:
    """The addresses that scripts for Uptime Kuma and Healthchecks have built in; the reply is what they wait for."""
    path, words = request.path_params, request.query_params
    given = {name: str(words.get(name, "")) for name in ("msg", "ping", "rid")}
    reply = await accept_report(request, path["token"], path.get("signal", ""), **given)
    return HEALTHCHECKS_REPLY if request.scope["path"].startswith("/ping/") else reply
