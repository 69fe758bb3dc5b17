"""OAuth2 client credentials (RFC 6749, 4.4): fetches a token with the check's own connection options and caches it."""

import math
import re
from base64 import b64encode
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, quote_plus, urlencode

import aiohttp
from msgspec import Struct

from actors.probes.http.session import ConnectionOptions, open_session
from actors.probes.kit.bounded_body import read_bytes
from actors.probes.kit.context import RunningCheck
from actors.probes.kit.errors import classify_http_error
from actors.probes.kit.result import CheckInconclusive, TargetFailed
from app.domain.parsing import untrusted_json
from app.domain.parsing.web_url import parse_url
from app.security.network.egress import EgressDenied
from schema.targets.http import ClientAuth, OAuth2

MAX_RESPONSE_BYTES = 65_536  # of a token endpoint's response
_TOKEN_CHARS = re.compile(r"[!-~]+")  # RFC 6749, A.12, without the space, which no header may contain
FORM_HEADERS = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}


class TokenGrant(Struct, frozen=True):
    """A token and its lifetime; None when the endpoint gives none that can be read."""

    access_token: str
    lifetime_s: float | None = None


async def get_token(auth: OAuth2, check: RunningCheck, connection: ConnectionOptions) -> str:
    """A valid token, cached or new. Raises TargetFailed when none is granted, CheckInconclusive, aiohttp's errors."""
    key = (check.snapshot.monitor_id, auth)
    if token := check.context.tokens.get(key):
        return token
    grant = await _fetch_token(auth, check, connection)
    check.context.tokens.put(key, grant.access_token, grant.lifetime_s)
    return grant.access_token


def forget_token(auth: OAuth2, check: RunningCheck) -> None:
    """Drop a token that the target rejected: the next check fetches another."""
    check.context.tokens.drop((check.snapshot.monitor_id, auth))


async def _fetch_token(auth: OAuth2, check: RunningCheck, connection: ConnectionOptions) -> TokenGrant:
    try:
        async with open_session(connection, check, check.context.oauth_egress) as session:
            options = {**_request_options(auth), "ssl": session.ssl, "proxy": session.proxy}
            url = parse_url(auth.token_url)
            async with session.client.post(url, allow_redirects=False, **options) as response:
                body = await read_bytes(response, MAX_RESPONSE_BYTES)
    except EgressDenied as denied:
        raise CheckInconclusive(f"no token: {denied}") from denied
    except aiohttp.ClientError as error:
        failure = classify_http_error(error)
        raise type(failure)(f"no token: {failure}") from error
    return parse_token_response(response.status, body)


def parse_token_response(status: int, body: bytes | bytearray) -> TokenGrant:
    """Parse a token endpoint's response (RFC 6749, 5.1), leniently about types. Raises TargetFailed without a token."""
    fields = _response_fields(body)
    token = fields.get("access_token")
    if status in range(200, 300) and isinstance(token, str) and _TOKEN_CHARS.fullmatch(token.strip()):
        return TokenGrant(token.strip(), _lifetime_s(fields.get("expires_in")))
    error_text = _error_text(fields)
    if status != HTTPStatus.OK or error_text:
        raise TargetFailed(f"no token: the endpoint answered {status}{error_text and f': {error_text}'}")
    raise TargetFailed("no token: the endpoint's answer has none")


def _response_fields(body: bytes | bytearray) -> dict[str, Any]:
    """The response's fields: JSON, or a form from some older endpoints; none of anything else."""
    try:
        decoded = untrusted_json.decode(body)
    except (ValueError, RecursionError):
        return _form_fields(body)
    return decoded if isinstance(decoded, dict) else {}


def _form_fields(body: bytes | bytearray) -> dict[str, Any]:
    try:
        return dict(parse_qsl(body.decode(), max_num_fields=20))
    except ValueError:  # not text, or too many fields
        return {}


def _error_text(fields: dict[str, Any]) -> str:
    """The endpoint's reason (RFC 6749, 5.2): `error` and `error_description`."""
    parts = [one for name in ("error", "error_description") if isinstance(one := fields.get(name), str) and one]
    return ": ".join(parts)


def _lifetime_s(value: object) -> float | None:
    """A lifetime in seconds: a number, or a number as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    return seconds if math.isfinite(seconds) else None


def _request_options(auth: OAuth2) -> dict[str, Any]:
    fields = {"grant_type": "client_credentials"} | ({"scope": auth.scopes} if auth.scopes else {})
    headers = dict(FORM_HEADERS)
    if auth.client_auth is ClientAuth.POST:
        fields |= {"client_id": auth.client_id, "client_secret": auth.client_secret}
    else:  # RFC 6749, 2.3.1: encode each half before joining them
        pair = f"{quote_plus(auth.client_id)}:{quote_plus(auth.client_secret)}"
        headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode('ascii')}"
    return {"data": urlencode(fields).encode(), "headers": headers}
