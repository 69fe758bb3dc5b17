"""Checks that a container runs and is healthy, with the Docker Engine's API over its socket or TCP."""

import ssl
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp
import msgspec

from actors.probes.kit.bounded_body import read_bytes
from actors.probes.kit.context import RunningCheck
from actors.probes.kit.errors import classify_os_error, classify_tls_error
from actors.probes.kit.result import CheckInconclusive, ProbeResult, TargetFailed
from actors.probes.net.tls import target_tls_context
from app.domain.parsing import untrusted_json
from app.security.network.aiohttp_connector import SINGLE_USE, EgressConnector, UnixSocketConnector
from schema.heartbeat_texts import ANSWERED
from schema.status import Status
from schema.targets import Docker

READ_LIMIT_BYTES = 1_000_000
OK, NOT_FOUND = 200, 404
SHOWN_CHARS = 300  # of a health check's output, or of the daemon's error


class ContainerHealth(msgspec.Struct, rename="pascal"):
    """The result of the container's own health check."""

    status: str = ""
    log: list[dict[str, Any]] | None = None


class ContainerState(msgspec.Struct, rename="pascal"):
    """The daemon's state of a container; Podman omits some fields."""

    status: str = ""
    exit_code: int = 0
    o_o_m_killed: bool = msgspec.field(name="OOMKilled", default=False)
    error: str = ""
    health: ContainerHealth | None = None

    @property
    def health_status(self) -> str:
        """healthy, unhealthy or starting; empty without a health check."""
        return "" if self.health is None or self.health.status == "none" else self.health.status

    @property
    def stopped_reason(self) -> str:
        """Why the container does not run."""
        if self.status != "exited":
            return f"the container is {self.status or 'in no state that the daemon names'}"
        because = " (out of memory)" if self.o_o_m_killed else f" ({self.error[:SHOWN_CHARS]})" if self.error else ""
        return f"the container exited with code {self.exit_code}{because}"


class ContainerInspection(msgspec.Struct, rename="pascal"):
    """The part of an inspection that we need."""

    state: ContainerState


async def probe(target: Docker, check: RunningCheck) -> ProbeResult:
    """Inspect the container, and evaluate its state."""
    connector, address = _connector_and_url(target, check)
    try:
        async with aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
        ) as session:
            status, body = await _inspect(session, f"{address}/containers/{quote(target.container)}/json")
    except aiohttp.ClientError as error:
        raise _classify_error(error) from error
    return evaluate_state(_parse_state(target, status, body), detailed=check.detailed)


def _connector_and_url(target: Docker, check: RunningCheck) -> tuple[aiohttp.BaseConnector, str]:
    """The connector to the daemon, and the URL of its API."""
    url = urlsplit(target.daemon)
    if url.scheme == "unix":
        check.context.egress.check_socket(url.path)
        return UnixSocketConnector(url.path, **SINGLE_USE), "http://docker"
    scheme = "https" if target.tls else "http"
    connector = EgressConnector(check.context.egress, ssl=target_tls_context(target, check.context), **SINGLE_USE)
    return connector, f"{scheme}://{url.netloc}"


async def _inspect(session: aiohttp.ClientSession, url: str) -> tuple[int, bytes]:
    """Status and body, up to the limit."""
    async with session.get(url, allow_redirects=False) as response:
        body = await read_bytes(response, READ_LIMIT_BYTES + 1)
        if len(body) > READ_LIMIT_BYTES:
            raise TargetFailed(f"the answer is longer than {READ_LIMIT_BYTES // 1_000_000} MB")
        return response.status, bytes(body)


def _parse_state(target: Docker, status: int, body: bytes) -> ContainerState:
    if status == NOT_FOUND:
        raise TargetFailed(f"there is no container {target.container[:80]}")
    if status != OK:
        raise TargetFailed(f"the daemon answered {status}: {body[:SHOWN_CHARS].decode('utf-8', errors='replace')}")
    try:
        return untrusted_json.decode_as(body, ContainerInspection).state
    except (ValueError, RecursionError) as error:  # includes msgspec's errors
        raise TargetFailed("the answer is not a container's inspection") from error


def evaluate_state(state: ContainerState, *, detailed: bool) -> ProbeResult:
    """Up while it runs and its own health check, if any, passes."""
    facts = {"state": state.status, "health": state.health_status or None, "exit_code": state.exit_code}
    if state.status != "running":
        raise TargetFailed(state.stopped_reason, detail=facts)
    if state.health_status == "unhealthy":
        raise TargetFailed("the container is unhealthy", detail=facts | {"output": _last_output(state)})
    if state.health_status == "starting":
        return ProbeResult(
            Status.DEGRADED, 0, "the container's health check has not passed yet", facts, value="starting"
        )
    return ProbeResult(code=ANSWERED, detail=facts if detailed else None, value=state.health_status or state.status)


def _last_output(state: ContainerState) -> str:
    """The last output of the container's own health check."""
    log = state.health.log if state.health else None
    return str(log[-1].get("Output", ""))[:SHOWN_CHARS] if log else ""


def _classify_error(error: aiohttp.ClientError) -> TargetFailed | CheckInconclusive:
    match error:
        case aiohttp.ClientConnectorCertificateError(certificate_error=ssl.SSLError() as cause):
            return classify_tls_error(cause)
        case aiohttp.ClientConnectorError(os_error=cause):
            return classify_os_error(cause)
        case OSError():
            return classify_os_error(error.__cause__ if isinstance(error.__cause__, OSError) else error)
    return TargetFailed("the daemon doesn't answer as one does: no HTTP")
