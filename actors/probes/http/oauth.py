"""OAuth2 client credentials (RFC 6749, 4.4): a token fetched the way the check itself goes, and kept until it ends."""

import math
import re
from base64 import b64encode
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, quote_plus, urlencode

import aiohttp
from msgspec import Struct

from actors.probes.http.errors import of_web
from actors.probes.http.session import Wishes, opened
from actors.probes.kit.bounded_body import bytes_of
from actors.probes.kit.context import Asked
from actors.probes.kit.result import Failed, Unsure
from app.domain.parsing import untrusted_json
from app.domain.parsing.web_url import web_url
from app.security.network.egress import Refused
from schema.targets.http import ClientAuth, OAuth2

ANSWER_BYTES = 65_536  # of a token endpoint
_SENDABLE = re.compile(r"[!-~]+")  # RFC 6749, A.12, without the space, which no header's token has
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}


class Granted(Struct, frozen=True):
    """A token, and for how many seconds it lives; None where that is not said, or not in a way that can be read."""

    access_token: str
    lives_s: float | None = None


async def token_for(auth: OAuth2, asked: Asked, wishes: Wishes) -> str:
    """A token that still lives. Raises Failed when none is given, Unsure, aiohttp's errors."""
    key = (asked.snapshot.monitor_id, auth)
    if token := asked.tools.tokens.get(key):
        return token
    granted = await _granted(auth, asked, wishes)
    asked.tools.tokens.put(key, granted.access_token, granted.lives_s)
    return granted.access_token


def forget(auth: OAuth2, asked: Asked) -> None:
    """The token is no longer taken: the next check fetches another."""
    asked.tools.tokens.drop((asked.snapshot.monitor_id, auth))


async def _granted(auth: OAuth2, asked: Asked, wishes: Wishes) -> Granted:
    try:
        async with opened(wishes, asked, asked.tools.granting) as way:
            url, options = web_url(auth.token_url), {**_form(auth), "ssl": way.ssl, "proxy": way.proxy}
            async with way.session.post(url, allow_redirects=False, **options) as answer:
                body = await bytes_of(answer, ANSWER_BYTES)
    except Refused as refused:
        raise Unsure(f"no token: {refused}") from refused
    except aiohttp.ClientError as error:
        trouble = of_web(error)
        raise type(trouble)(f"no token: {trouble}") from error
    return granted_by(answer.status, body)


def granted_by(status: int, body: bytes | bytearray) -> Granted:
    """What a token endpoint says (RFC 6749, 5.1), whatever types it has for it. Raises Failed when that is no token."""
    told = _fields_of(body)
    token = told.get("access_token")
    if status in range(200, 300) and isinstance(token, str) and _SENDABLE.fullmatch(token.strip()):
        return Granted(token.strip(), _seconds(told.get("expires_in")))
    words = _words(told)
    if status != HTTPStatus.OK or words:
        raise Failed(f"no token: the endpoint answered {status}{words and f': {words}'}")
    raise Failed("no token: the endpoint's answer has none")


def _fields_of(body: bytes | bytearray) -> dict[str, Any]:
    """The answer's fields: JSON as it should be, or a form as some older endpoints have it; none of anything else."""
    try:
        found = untrusted_json.decoded(body)
    except (ValueError, RecursionError):
        return _pairs(body)
    return found if isinstance(found, dict) else {}


def _pairs(body: bytes | bytearray) -> dict[str, Any]:
    try:
        return dict(parse_qsl(body.decode(), max_num_fields=20))
    except ValueError:  # no text, or too many of them
        return {}


def _words(told: dict[str, Any]) -> str:
    """Why there is no token, in the endpoint's words (RFC 6749, 5.2): `error` and `error_description`."""
    said = [one for name in ("error", "error_description") if isinstance(one := told.get(name), str) and one]
    return ": ".join(said)


def _seconds(said: object) -> float | None:
    """A lifetime: a number, or a text of one."""
    if isinstance(said, bool) or not isinstance(said, int | float | str):
        return None
    try:
        seconds = float(said)
    except (ValueError, OverflowError):
        return None
    return seconds if math.isfinite(seconds) else None


def _form(auth: OAuth2) -> dict[str, Any]:
    fields = {"grant_type": "client_credentials"} | ({"scope": auth.scopes} if auth.scopes else {})
    headers = dict(FORM)
    if auth.client_auth is ClientAuth.POST:
        fields |= {"client_id": auth.client_id, "client_secret": auth.client_secret}
    else:  # RFC 6749, 2.3.1: each half is encoded by itself before they are joined
        pair = f"{quote_plus(auth.client_id)}:{quote_plus(auth.client_secret)}"
        headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode('ascii')}"
    return {"data": urlencode(fields).encode(), "headers": headers}
