"""Push addresses: jobs and services report to us. The token in the path is all a caller needs, so nothing is shown."""

from typing import Annotated, Any, Literal

import msgspec
from litestar import Controller, MediaType, Request, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, QueryParameter
from litestar.response.base import ASGIResponse
from msgspec import Struct

from app.api import pings, push_runs
from app.api.rates import FREE, RATE
from app.api.requests import QUIET
from app.domain import plain, reports
from app.domain.reports import Reports, Terms
from app.errors import Invalid
from app.security.addresses import address_of
from app.security.policy import ANYONE
from schema.jobs import Outcome
from schema.limits import MASK
from schema.messages import LOGGED, PUSHED, STARTED
from schema.monitors import Snapshot
from schema.status import Status
from schema.targets import Push

BODY_KEPT_BYTES = 10_000
WORDS_LIMIT = 250  # characters that are kept with the heartbeat
MOST_EXIT_CODE = 255
USUAL = {"", "OK"}  # what clients say when they have nothing to say: not kept
NOTED = {"start": STARTED, "log": LOGGED}  # signals that say nothing about how it went
WANTED = "must be start, fail, log or an exit code from 0 to 255"

AnyRequest = Request[Any, Any, Any]
Word = Annotated[Literal["up", "down"], QueryParameter(description="How it went.")]
Note = Annotated[
    str, QueryParameter(max_length=WORDS_LIMIT, description="A few words that are kept with the heartbeat.")
]
Took = Annotated[
    str, QueryParameter(pattern=r"^([0-9]{1,7}(\.[0-9]{1,9})?)?$", description="Milliseconds it took; may be empty.")
]
RunId = Annotated[
    str,
    QueryParameter(
        pattern=r"^[A-Za-z0-9_-]{0,64}$",
        description="Id of a run: the same at its start and its end, and how long it took is measured.",
    ),
]


class Pinged(Struct, frozen=True):
    """The ping is stored."""

    ok: bool = True


class Said(Struct, frozen=True):
    """What a caller says.

    code   PUSHED for a report, STARTED or LOGGED
    took   milliseconds, as text; empty: measured, when the run's start is known
    """

    code: int
    status: Status
    words: str = ""
    took: str = ""
    run_id: str = ""
    body: bytes = b""


PINGED = ASGIResponse(body=msgspec.json.encode(Pinged()), media_type=MediaType.JSON)  # made once: pings are many
ANSWER = {200: ResponseSpec(Pinged, description="The ping is stored.", generate_examples=False)}


def reported(status: str, msg: str) -> Said:
    """A report without a signal in its path."""
    up = status == "up"
    words = msg if msg not in USUAL else "" if up else "reported as down"
    return Said(PUSHED, Status.UP if up else Status.DOWN, words)


def signalled(signal: str, msg: str) -> Said:
    """A report by its signal. Raises Invalid for one that nobody knows: it is never taken as up."""
    words = "" if msg in USUAL else msg
    if signal in NOTED:
        return Said(NOTED[signal], Status.UNKNOWN, words)
    if signal == "fail":
        return Said(PUSHED, Status.DOWN, words or "reported as failed")
    if not (signal.isascii() and signal.isdecimal() and len(signal) <= 3 and int(signal) <= MOST_EXIT_CODE):  # noqa: PLR2004  # digits
        raise Invalid.one("signal", WANTED)
    if int(signal) == 0:
        return Said(PUSHED, Status.UP, words)
    return Said(PUSHED, Status.DOWN, words or f"exit code {int(signal)}")


async def take(request: AnyRequest, token: str, said: Said) -> ASGIResponse:
    """Keep one ping. Raises NotFound, Conflict (paused), TooMany."""
    address = await pings.addresses.find(token)
    snapshot, at_ms = address.snapshot, address.next_ms()
    source = address_of(request)
    ran_ms = await _ran_ms(snapshot.series, said, at_ms) if said.run_id else None
    outcome = Outcome(
        series=snapshot.series,
        version=snapshot.version,
        at_ms=at_ms,
        seen=said.status,
        began_ms=at_ms,
        took_us=round(float(said.took or ran_ms or 0) * 1000),
        code=said.code,
        message=plain.sentence(said.words.replace(token, MASK), WORDS_LIMIT) if said.words else "",
        detail=_facts(_detail(said, ran_ms, token) | _source(said, source, is_new=address.is_new(source))),
        early=True,
        look_ms=_look_ms(snapshot, said, at_ms),
    )
    await pings.mailbox.post(outcome, snapshot)
    return PINGED


async def _ran_ms(series: int, said: Said, at_ms: int) -> int | None:
    """How long the run has taken that ends with this; None when it only starts, or nobody knows."""
    if said.code == STARTED:
        await push_runs.begin(series, said.run_id, at_ms)
    if said.code != PUSHED:
        return None
    began_ms = await push_runs.began_ms(series, said.run_id)
    return None if began_ms is None else max(0, at_ms - began_ms)


def _detail(said: Said, ran_ms: int | None, token: str) -> dict[str, Any]:
    """What is kept beside the heartbeat. A job's log often holds the address it reports to, and readers are many."""
    detail: dict[str, Any] = {}
    if said.run_id:
        detail["run_id"] = said.run_id
    if ran_ms is not None:
        detail["ran_s"] = ran_ms / 1000
    if said.body:
        masked = said.body.replace(token.encode(), MASK.encode())  # before it is cut, or a part of it would stay
        detail["body"] = masked[:BODY_KEPT_BYTES].decode(errors="replace")
    return detail


def _facts(detail: dict[str, Any]) -> dict[str, Any] | None:
    """As everything behind us can take it; most reports bring nothing."""
    return plain.facts(detail) if detail else None


def _source(said: Said, source: str, *, is_new: bool) -> dict[str, Any]:
    """Where a report came from. Everyday ones from where the one before came from would be a row more each."""
    return {"from": source} if source and (is_new or said.status is Status.DOWN or said.body) else {}


def _look_ms(snapshot: Snapshot, said: Said, at_ms: int) -> int:
    """When the monitor must be looked at, should nothing more come in."""
    target = snapshot.target
    if not isinstance(target, Push) or said.code == LOGGED:
        return 0
    grace_ms = None if target.grace is None else target.grace * 1000
    if said.code == STARTED:
        return 0 if grace_ms is None else at_ms + grace_ms + 1
    terms = Terms(snapshot.interval_ms, snapshot.cron, snapshot.timezone, grace_ms)
    return reports.find(Reports(at_ms), terms, at_ms).look_ms if said.status is Status.UP else 0


class PushController(Controller):
    """Monitors of the type `push` are reported to here."""

    path = "/push/{token:str}"
    tags = ("Push",)
    guards = (ANYONE,)
    opt = {"refusals": [404, 409, 429], QUIET: True, RATE: FREE}  # noqa: RUF012  # Litestar's way

    @get(operation_id="Push", responses=ANSWER)
    async def ping(
        self,
        token: FromPath[str],
        request: AnyRequest,
        status: Word = "up",
        msg: Note = "",
        ping: Took = "",
        rid: RunId = "",
    ) -> ASGIResponse:
        """Report. Answered when the report is stored safely."""
        return await take(request, token, msgspec.structs.replace(reported(status, msg), took=ping, run_id=rid))

    @post(operation_id="PushWithBody", status_code=200, responses=ANSWER)
    async def ping_with_body(
        self,
        token: FromPath[str],
        request: AnyRequest,
        status: Word = "up",
        msg: Note = "",
        ping: Took = "",
        rid: RunId = "",
    ) -> ASGIResponse:
        """Report, with a log or anything else in the body: its first 10 kB are kept."""
        said = msgspec.structs.replace(reported(status, msg), took=ping, run_id=rid, body=await request.body())
        return await take(request, token, said)

    @get("/{signal:str}", operation_id="PushSignal", responses=ANSWER)
    async def signal(
        self, token: FromPath[str], signal: FromPath[str], request: AnyRequest, msg: Note = "", rid: RunId = ""
    ) -> ASGIResponse:
        """Say `start`, `fail`, `log`, or with which exit code it ended: 0 is success."""
        return await take(request, token, msgspec.structs.replace(signalled(signal, msg), run_id=rid))

    @post("/{signal:str}", operation_id="PushSignalWithBody", status_code=200, responses=ANSWER)
    async def signal_with_body(
        self,
        token: FromPath[str],
        signal: FromPath[str],
        request: AnyRequest,
        msg: Note = "",
        rid: RunId = "",
    ) -> ASGIResponse:
        """Say the same, with a log or anything else in the body: its first 10 kB are kept."""
        said = msgspec.structs.replace(signalled(signal, msg), run_id=rid, body=await request.body())
        return await take(request, token, said)
