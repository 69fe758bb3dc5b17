"""Queries registries for a domain: RDAP (RFC 9082) over HTTP, WHOIS (RFC 3912) over TCP."""

from contextlib import closing
from time import monotonic
from typing import Any

import aiohttp

from actors.probes.http.redirects import follow_redirects
from actors.probes.http.request import HttpRequest
from actors.probes.http.session import HttpSession
from actors.probes.kit.bounded_body import read_bytes
from actors.probes.kit.context import RunningCheck
from actors.probes.kit.errors import classify_os_error
from actors.probes.kit.result import TargetFailed
from actors.probes.kit.threads import run_in_thread
from actors.probes.protocols.registry_parsing import (
    DomainRegistration,
    is_absent,
    parse_rdap,
    parse_whois,
    rdap_server,
    referral_server,
)
from app.domain.parsing import charsets, untrusted_json
from app.domain.parsing.web_url import parse_url
from schema.targets import Domain

BOOTSTRAP_TTL_S = 86_400.0  # of the server list: IANA asks not to fetch it more often
MAX_BOOTSTRAPS = 16  # lists
MAX_RESPONSE_BYTES = 1_000_000
MAX_REFERRALS = 3  # from one WHOIS server to the next
MAX_REDIRECTS = 5
HEADERS = {"Accept": "application/rdap+json, application/json"}
OK, NOT_FOUND = 200, 404

_bootstraps: dict[str, tuple[float, Any]] = {}


class ExpiryUnknown(Exception):  # noqa: N818  # about the registry
    """The registry gives no expiry date."""


async def query_rdap(target: Domain, check: RunningCheck) -> DomainRegistration:
    """Raises ExpiryUnknown; TargetFailed when there is no such domain; EgressDenied."""
    base = target.rdap_url
    if base.endswith(".json"):
        base = rdap_server(await _get_bootstrap(base, check), target.domain)
        if not base:
            raise ExpiryUnknown("no RDAP server is known for it")
    body = await _get_json(f"{base.rstrip('/')}/domain/{target.domain}", check)
    if body is None:
        raise TargetFailed(f"the domain {target.domain} is not registered")
    registration = parse_rdap(body)
    if registration is None:
        raise ExpiryUnknown("RDAP does not say when it ends")
    return registration


async def _get_bootstrap(url: str, check: RunningCheck) -> Any:
    """IANA's server list, cached for a day."""
    until, bootstrap = _bootstraps.get(url, (0.0, None))
    if monotonic() < until:
        return bootstrap
    body = await _get_json(url, check)
    if isinstance(body, dict):
        _bootstraps.pop(url, None)  # so that the newest is last
        _bootstraps[url] = (monotonic() + BOOTSTRAP_TTL_S, body)
    if len(_bootstraps) > MAX_BOOTSTRAPS:
        del _bootstraps[next(iter(_bootstraps))]
    return body


async def _get_json(url: str, check: RunningCheck) -> Any:
    """The decoded JSON; None for 404. Raises ExpiryUnknown, EgressDenied."""
    try:
        trace = await follow_redirects(
            HttpRequest("GET", parse_url(url), HEADERS), MAX_REDIRECTS, HttpSession(check.context.http, ssl=True)
        )
        with closing(trace.response) as response:
            if response.status == NOT_FOUND:
                return None
            if response.status != OK:
                raise ExpiryUnknown(f"RDAP answered {response.status}")
            return await run_in_thread(untrusted_json.decode, await read_bytes(response, MAX_RESPONSE_BYTES))
    except aiohttp.ClientError as error:
        cause = error.__cause__
        reason = classify_os_error(cause) if isinstance(cause, OSError) else "it does not speak HTTP as it should"
        raise ExpiryUnknown(f"RDAP could not be asked: {reason}") from error
    except (TargetFailed, ValueError, RecursionError) as error:
        raise ExpiryUnknown("RDAP's answer can't be read") from error


async def query_whois(target: Domain, check: RunningCheck) -> DomainRegistration:
    """Raises ExpiryUnknown; TargetFailed when there is no such domain; EgressDenied."""
    server, queried = target.whois_server or "", set[str]()
    text = ""
    while server and server not in queried and len(queried) < MAX_REFERRALS:
        queried.add(server)
        text = await _query_whois_server(server, target, check)
        if registration := parse_whois(text):
            return registration
        server = referral_server(text)
    if is_absent(text):
        raise TargetFailed(f"the domain {target.domain} is not registered")
    raise ExpiryUnknown("WHOIS does not say when it ends")


async def _query_whois_server(server: str, target: Domain, check: RunningCheck) -> str:
    received = bytearray()
    try:
        reader, writer = await check.context.egress.open_connection(server, target.whois_port)
        try:
            writer.write(f"{target.domain}\r\n".encode("ascii"))
            while len(received) < MAX_RESPONSE_BYTES and (part := await reader.read(65_536)):
                received += part
        finally:
            writer.transport.abort()
    except OSError as error:
        raise ExpiryUnknown(f"WHOIS could not be asked: {classify_os_error(error)}") from error
    return "".join(charsets.decode_pieces(received[:MAX_RESPONSE_BYTES], whole=len(received) <= MAX_RESPONSE_BYTES))
