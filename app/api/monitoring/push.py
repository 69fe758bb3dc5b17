"""Push endpoints, to which jobs and services report. The token in the path is the only credential."""

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

from app.api.http import bodies, query_params
from app.api.http.audit_actions import QUIET
from app.api.http.rate_limits import RATE, UNLIMITED
from app.api.monitoring import push_ingest, push_runs
from app.domain.monitoring import push_deadlines, push_report
from app.domain.monitoring.push_deadlines import PushSchedule, ReceivedReports
from app.domain.monitoring.push_report import BODY_LIMIT_BYTES, MESSAGE_LIMIT, PushReport
from app.domain.parsing import sanitize
from app.errors import LateBody
from app.security.auth.policy import ANYONE
from app.security.limits.proxy_headers import address_of
from schema.field_types import MASK
from schema.heartbeat_texts import LOGGED, PUSHED, STARTED
from schema.jobs import CheckOutcome
from schema.monitors import Snapshot
from schema.status import Status
from schema.targets import Push

MASKING_MARGIN_BYTES = 1_000  # read beyond the body limit, because masking the token shortens the text
MAX_DRAINED_BYTES = 64_000_000  # of a body that are read and dropped, so that its sender reads the reply

AnyRequest = Request[Any, Any, Any]
ReportedStatus = Annotated[str, QueryParameter(description="`up` or `down`. Default: `up`.")]
ReportMessage = Annotated[
    str,
    QueryParameter(
        description=f"A message to store with the heartbeat; the first {MESSAGE_LIMIT} characters are kept."
    ),
]
DurationMs = Annotated[str, QueryParameter(description="The duration in milliseconds. Ignored if it is not a number.")]
RunId = Annotated[
    str,
    QueryParameter(
        description="The id of a run: up to 64 letters, digits, `_` and `-`. Send the same id at its start and its"
        " end to have its duration measured. An invalid id is ignored."
    ),
]


class PushReceipt(Struct, frozen=True, omit_defaults=True):
    """The report is stored.

    ignored  parameters that were ignored because their value is not valid; absent when there are none
    """

    ok: bool
    ignored: list[str] = []


def _receipt(report: PushReport) -> ASGIResponse:
    body = msgspec.json.encode(PushReceipt(True, list(report.ignored)))
    return ASGIResponse(body=body, media_type=MediaType.JSON)


PLAIN_RECEIPT = _receipt(push_report.parse_report("", ()))  # built once, because pushes are frequent
HEALTHCHECKS_REPLY = ASGIResponse(
    body=b"OK", media_type=MediaType.TEXT, headers={"Ping-Body-Limit": str(BODY_LIMIT_BYTES)}
)
RECEIPT_RESPONSES = {200: ResponseSpec(PushReceipt, description="The report is stored.", generate_examples=False)}
ROUTE_OPTIONS = {"refusals": [404, 409, 429], QUIET: True, RATE: UNLIMITED, query_params.SANITIZED: True}


async def accept_report(
    request: AnyRequest, token: str, signal: str = "", *, msg: str = "", ping: str = "", rid: str = ""
) -> ASGIResponse:
    """Store one report, and reply when it is durable. Raises NotFound, Conflict (paused), TooMany, Invalid."""
    endpoint = await push_ingest.endpoints.find(token)
    async with _body_head(request) if request.method == "POST" else nullcontext(b"") as body:
        text = b"" if bodies.content_coding(request.headers) else body  # a compressed one is no text
        report = push_report.parse_report(signal, _statuses(request), msg, ping, rid, text)
        await _store_report(report, endpoint, address_of(request), token)
    return _receipt(report) if report.ignored else PLAIN_RECEIPT


def _statuses(request: AnyRequest) -> list[str]:
    """Every `status` in the query; Litestar passes only one of several."""
    return request.query_params.getall("status", []) if request.scope["query_string"] else []


@asynccontextmanager
async def _body_head(request: AnyRequest) -> AsyncIterator[bytes]:
    """The first part of the body, for the report; the rest is read and dropped after the report is stored."""
    head = bytearray()
    async with aclosing(request.stream()) as chunks:
        await _read_up_to(chunks, head, BODY_LIMIT_BYTES + MASKING_MARGIN_BYTES)
        yield bytes(head[: BODY_LIMIT_BYTES + MASKING_MARGIN_BYTES])
        await _drain(chunks)


async def _read_up_to(chunks: AsyncGenerator[bytes, None], buffer: bytearray, n_bytes: int) -> None:
    """Read that many bytes, or less from a sender that is slow or gone: its report counts all the same."""
    try:
        async for chunk in chunks:
            buffer += chunk
            if len(buffer) >= n_bytes:
                return
    except (HTTPException, LateBody):
        return


async def _drain(chunks: AsyncGenerator[bytes, None]) -> None:
    dropped = 0
    try:
        async for chunk in chunks:
            dropped += len(chunk)
            if dropped > MAX_DRAINED_BYTES:
                return
    except (HTTPException, LateBody):
        return


async def _store_report(report: PushReport, endpoint: push_ingest.PushEndpoint, source: str, token: str) -> None:
    snapshot, at_ms = endpoint.snapshot, endpoint.next_ms()
    ran_ms = await _run_duration_ms(snapshot.series, report, at_ms) if report.run_id else None
    detail = _detail(report, ran_ms, token) | _source(report, source, is_new=endpoint.is_new_source(source))
    outcome = CheckOutcome(
        series=snapshot.series,
        version=snapshot.version,
        at_ms=at_ms,
        status=report.status,
        began_ms=at_ms,
        took_us=round((report.took_ms or ran_ms or 0) * 1000),
        code=report.code,
        message=sanitize.single_line(report.message.replace(token, MASK), MESSAGE_LIMIT) if report.message else "",
        detail=sanitize.bounded_detail(detail) if detail else None,
        early=True,
        recheck_ms=_recheck_ms(snapshot, report, at_ms),
    )
    await push_ingest.batcher.submit(outcome, snapshot)


async def _run_duration_ms(series: int, report: PushReport, at_ms: int) -> int | None:
    """The duration of the run that this report ends; None when it does not end one, or the start is unknown."""
    if report.code == STARTED:
        await push_runs.record_start(series, report.run_id, at_ms)
    if report.code != PUSHED:
        return None
    started_ms = await push_runs.started_ms(series, report.run_id)
    return None if started_ms is None else max(0, at_ms - started_ms)


def _detail(report: PushReport, ran_ms: int | None, token: str) -> dict[str, Any]:
    """The details of the heartbeat. The token is masked: a job's log often contains the URL it reports to."""
    detail: dict[str, Any] = {}
    if report.run_id:
        detail["run_id"] = report.run_id
    if ran_ms is not None:
        detail["ran_s"] = ran_ms / 1000
    if report.body:
        masked = report.body.replace(token.encode(), MASK.encode())  # before cutting, which could split the token
        detail["body"] = masked[:BODY_LIMIT_BYTES].decode(errors="replace")
    return detail


def _source(report: PushReport, source: str, *, is_new: bool) -> dict[str, Any]:
    """The address a report came from. Left out for a plain report from the same address, to save a row of details."""
    return {"from": source} if source and (is_new or report.status is Status.DOWN or report.body) else {}


def _recheck_ms(snapshot: Snapshot, report: PushReport, at_ms: int) -> int:
    """When the monitor must be checked if no other report arrives; 0 when this report changes nothing about that."""
    target = snapshot.target
    if not isinstance(target, Push) or report.code == LOGGED:
        return 0
    grace_ms = None if target.grace is None else target.grace * 1000
    if report.code == STARTED:
        return 0 if grace_ms is None else at_ms + grace_ms + 1
    if report.status is not Status.UP:
        return 0
    schedule = PushSchedule(snapshot.interval_ms, snapshot.cron, snapshot.timezone, grace_ms)
    return push_deadlines.evaluate(ReceivedReports(at_ms), schedule, at_ms).recheck_ms


class PushController(Controller):
    """Reports for monitors of type `push`."""

    path = "/push/{token:str}"
    tags = ("Push",)
    guards = (ANYONE,)
    opt = ROUTE_OPTIONS
    request_max_body_size = None  # no report is refused for the size of its body

    @get(operation_id="PushHeartbeat", responses=RECEIPT_RESPONSES)
    async def push_heartbeat(
        self,
        token: FromPath[str],
        request: AnyRequest,
        status: ReportedStatus = "up",
        msg: ReportMessage = "",
        ping: DurationMs = "",
        rid: RunId = "",
    ) -> ASGIResponse:
        """Report to a monitor of type `push`. The reply is sent after the report is stored."""
        del status  # declared for the document; `_statuses` reads all its values
        return await accept_report(request, token, msg=msg, ping=ping, rid=rid)

    @post(operation_id="PushHeartbeatWithBody", status_code=200, responses=RECEIPT_RESPONSES)
    async def push_heartbeat_with_body(
        self,
        token: FromPath[str],
        request: AnyRequest,
        status: ReportedStatus = "up",
        msg: ReportMessage = "",
        ping: DurationMs = "",
        rid: RunId = "",
    ) -> ASGIResponse:
        """Report with a body, such as a log. Its first 10 kB are stored, and not parsed as a report."""
        del status  # declared for the document; `_statuses` reads all its values
        return await accept_report(request, token, msg=msg, ping=ping, rid=rid)

    @get("/{signal:str}", operation_id="PushSignal", responses=RECEIPT_RESPONSES)
    async def push_signal(
        self, token: FromPath[str], signal: FromPath[str], request: AnyRequest, msg: ReportMessage = "", rid: RunId = ""
    ) -> ASGIResponse:
        """Report `start`, `fail`, `log`, or an exit code. 0 is success, every other code is a failure."""
        return await accept_report(request, token, signal, msg=msg, rid=rid)

    @post("/{signal:str}", operation_id="PushSignalWithBody", status_code=200, responses=RECEIPT_RESPONSES)
    async def push_signal_with_body(
        self, token: FromPath[str], signal: FromPath[str], request: AnyRequest, msg: ReportMessage = "", rid: RunId = ""
    ) -> ASGIResponse:
        """Report a signal with a body, such as a log. Its first 10 kB are stored."""
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
    """The paths that scripts for Uptime Kuma and Healthchecks use, with the reply that they expect."""
    path, query = request.path_params, request.query_params
    parameters = {name: str(query.get(name, "")) for name in ("msg", "ping", "rid")}
    reply = await accept_report(request, path["token"], path.get("signal", ""), **parameters)
    return HEALTHCHECKS_REPLY if request.scope["path"].startswith("/ping/") else reply
