"""Looks whether a container runs and is healthy, by the Docker Engine's API over its socket or TCP."""

import ssl
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp
import msgspec

from actors.probes.kit.bounded_body import bytes_of
from actors.probes.kit.context import Asked
from actors.probes.kit.errors import of_system, of_tls
from actors.probes.kit.result import Failed, Seen, Unsure
from actors.probes.net.tls import context_of
from app.domain.parsing import untrusted_json
from app.security.network.aiohttp_connector import ONE_USE, Door, UnixDoor
from schema.heartbeat_texts import ANSWERED
from schema.status import Status
from schema.targets import Docker

READ_LIMIT_BYTES = 1_000_000
OK, ABSENT = 200, 404
SHOWN = 300  # characters of a health check's output, or of what the daemon says


class Health(msgspec.Struct, rename="pascal"):
    """What the container's own check says."""

    status: str = ""
    log: list[dict[str, Any]] | None = None


class State(msgspec.Struct, rename="pascal"):
    """What the daemon says of a container; Podman leaves some of it out."""

    status: str = ""
    exit_code: int = 0
    o_o_m_killed: bool = msgspec.field(name="OOMKilled", default=False)
    error: str = ""
    health: Health | None = None

    @property
    def own_check(self) -> str:
        """healthy, unhealthy or starting; empty without a health check."""
        return "" if self.health is None or self.health.status == "none" else self.health.status

    @property
    def words(self) -> str:
        """Why a container that should run does not."""
        if self.status != "exited":
            return f"the container is {self.status or 'in no state that the daemon names'}"
        because = " (out of memory)" if self.o_o_m_killed else f" ({self.error[:SHOWN]})" if self.error else ""
        return f"the container exited with code {self.exit_code}{because}"


class Container(msgspec.Struct, rename="pascal"):
    """What we read of an inspection."""

    state: State


async def probe(target: Docker, asked: Asked) -> Seen:
    """Inspect the container, and judge its state."""
    connector, address = _way(target, asked)
    try:
        async with aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
        ) as session:
            status, body = await _inspected(session, f"{address}/containers/{quote(target.container)}/json")
    except aiohttp.ClientError as error:
        raise _meaning(error) from error
    return judged(_state(target, status, body), detailed=asked.detailed)


def _way(target: Docker, asked: Asked) -> tuple[aiohttp.BaseConnector, str]:
    """How to get to the daemon, and the address of its API."""
    place = urlsplit(target.daemon)
    if place.scheme == "unix":
        asked.tools.egress.check_socket(place.path)
        return UnixDoor(place.path, **ONE_USE), "http://docker"
    scheme = "https" if target.tls else "http"
    door = Door(asked.tools.egress, ssl=_trust(target, asked), **ONE_USE)
    return door, f"{scheme}://{place.netloc}"


def _trust(target: Docker, asked: Asked) -> ssl.SSLContext:
    return context_of(target, asked.tools)


async def _inspected(session: aiohttp.ClientSession, url: str) -> tuple[int, bytes]:
    """Status and body, as far as the limit."""
    async with session.get(url, allow_redirects=False) as answer:
        body = await bytes_of(answer, READ_LIMIT_BYTES + 1)
        if len(body) > READ_LIMIT_BYTES:
            raise Failed(f"the answer is longer than {READ_LIMIT_BYTES // 1_000_000} MB")
        return answer.status, bytes(body)


def _state(target: Docker, status: int, body: bytes) -> State:
    if status == ABSENT:
        raise Failed(f"there is no container {target.container[:80]}")
    if status != OK:
        raise Failed(f"the daemon answered {status}: {body[:SHOWN].decode('utf-8', errors='replace')}")
    try:
        return untrusted_json.decoded_as(body, Container).state
    except (ValueError, RecursionError) as error:  # of msgspec's errors, too
        raise Failed("the answer is not a container's inspection") from error


def judged(state: State, *, detailed: bool) -> Seen:
    """Up while it runs and its own check, if it has one, passes."""
    facts = {"state": state.status, "health": state.own_check or None, "exit_code": state.exit_code}
    if state.status != "running":
        raise Failed(state.words, detail=facts)
    if state.own_check == "unhealthy":
        raise Failed("the container is unhealthy", detail=facts | {"output": _output(state)})
    if state.own_check == "starting":
        return Seen(Status.DEGRADED, 0, "the container's health check has not passed yet", facts, value="starting")
    return Seen(code=ANSWERED, detail=facts if detailed else None, value=state.own_check or state.status)


def _output(state: State) -> str:
    """What the container's own check said last."""
    log = state.health.log if state.health else None
    return str(log[-1].get("Output", ""))[:SHOWN] if log else ""


def _meaning(error: aiohttp.ClientError) -> Failed | Unsure:
    match error:
        case aiohttp.ClientConnectorCertificateError(certificate_error=ssl.SSLError() as cause):
            return of_tls(cause)
        case aiohttp.ClientConnectorError(os_error=cause):
            return of_system(cause)
        case OSError():
            return of_system(error.__cause__ if isinstance(error.__cause__, OSError) else error)
    return Failed("the daemon doesn't answer as one does: no HTTP")
