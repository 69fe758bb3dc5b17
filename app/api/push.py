"""Push addresses: jobs and services report to us. The token in the path is all a caller needs, so nothing is shown."""

from typing import Annotated, Any, Literal

import msgspec
from litestar import Controller, MediaType, Request, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, QueryParameter
from litestar.response.base import ASGIResponse
from msgspec import Struct

from app.api import pings
from app.api.requests import QUIET
from app.security.policy import ANYONE
from schema.jobs import Outcome
from schema.messages import PUSHED
from schema.status import Status

BODY_KEPT_BYTES = 10_000
USUAL = {"", "OK"}  # what clients say when they have nothing to say: not kept

Word = Annotated[Literal["up", "down"], QueryParameter(description="How it went.")]
Note = Annotated[str, QueryParameter(max_length=250, description="A few words that are kept with the heartbeat.")]
Took = Annotated[
    str, QueryParameter(pattern=r"^([0-9]{1,7}(\.[0-9]{1,9})?)?$", description="Milliseconds it took; may be empty.")
]


class Pinged(Struct, frozen=True):
    """The ping is stored."""

    ok: bool = True


PINGED = msgspec.json.encode(Pinged())
ANSWER = {200: ResponseSpec(Pinged, description="The ping is stored.", generate_examples=False)}


async def take(token: str, status: str, msg: str, took_ms: str, body: bytes = b"") -> ASGIResponse:
    """Keep one ping. Raises NotFound, Conflict (paused), TooMany."""
    address = await pings.addresses.find(token)
    snapshot, at_ms = address.snapshot, address.next_ms()
    outcome = Outcome(
        series=snapshot.series,
        version=snapshot.version,
        at_ms=at_ms,
        seen=Status.UP if status == "up" else Status.DOWN,
        began_ms=at_ms,
        took_us=round(float(took_ms or 0) * 1000),
        code=PUSHED,
        message=_words(status, msg),
        detail={"body": body[:BODY_KEPT_BYTES].decode(errors="replace")} if body else None,
        early=True,
    )
    await pings.mailbox.post(outcome, snapshot)
    return ASGIResponse(body=PINGED, media_type=MediaType.JSON)  # encoded once: pings are many


def _words(status: str, msg: str) -> str:
    """What is worth keeping of the message."""
    if msg not in USUAL:
        return msg
    return "" if status == "up" else "reported as down"


class PushController(Controller):
    """Monitors of the type `push` are reported to here."""

    path = "/push/{token:str}"
    tags = ("Push",)
    guards = (ANYONE,)
    opt = {"refusals": [404, 409, 429], QUIET: True}  # noqa: RUF012 - Litestar's way

    @get(operation_id="Push", responses=ANSWER)
    async def ping(
        self,
        token: FromPath[str],
        status: Word = "up",
        msg: Note = "",
        ping: Took = "",
    ) -> ASGIResponse:
        """Report. Answered when the report is stored safely."""
        return await take(token, status, msg, ping)

    @post(operation_id="PushWithBody", status_code=200, responses=ANSWER)
    async def ping_with_body(
        self,
        token: FromPath[str],
        request: Request[Any, Any, Any],
        status: Word = "up",
        msg: Note = "",
        ping: Took = "",
    ) -> ASGIResponse:
        """Report, with a log or anything else in the body: its first 10 kB are kept."""
        return await take(token, status, msg, ping, await request.body())
