"""OAuth2 client credentials (RFC 6749, 4.4): a token fetched the way the check itself goes, and kept until it ends."""

from base64 import b64encode
from typing import Any
from urllib.parse import quote_plus, urlencode

import aiohttp
import msgspec
from msgspec import Struct

from actors.probes.body import text_of
from actors.probes.request import parsed
from actors.probes.seen import Failed, Unsure
from actors.probes.tools import Asked
from actors.probes.way import Wishes, opened
from actors.probes.web_trouble import of_web
from app.security.egress import Refused
from schema.targets.http import ClientAuth, OAuth2

ANSWER_BYTES = 65_536  # of a token endpoint
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}


class Granted(Struct, frozen=True):
    """What a token endpoint answers (RFC 6749, 5.1)."""

    access_token: str
    expires_in: float | None = None


async def token_for(auth: OAuth2, asked: Asked, wishes: Wishes) -> str:
    """A token that still lives. Raises Failed when none is given, Unsure, aiohttp's errors."""
    key = (asked.snapshot.monitor_id, auth)
    if token := asked.tools.tokens.get(key):
        return token
    granted = await _granted(auth, asked, wishes)
    asked.tools.tokens.put(key, granted.access_token, granted.expires_in)
    return granted.access_token


def forget(auth: OAuth2, asked: Asked) -> None:
    """The token is no longer taken: the next check fetches another."""
    asked.tools.tokens.drop((asked.snapshot.monitor_id, auth))


async def _granted(auth: OAuth2, asked: Asked, wishes: Wishes) -> Granted:
    try:
        async with opened(wishes, asked, asked.tools.granting) as way:
            url, options = parsed(auth.token_url), {**_form(auth), "ssl": way.ssl, "proxy": way.proxy}
            async with way.session.post(url, allow_redirects=False, **options) as answer:
                text = await text_of(answer, ANSWER_BYTES)
    except Refused as refused:
        raise Unsure(f"no token: {refused}") from refused
    except aiohttp.ClientError as error:
        trouble = of_web(error)
        raise type(trouble)(f"no token: {trouble}") from error
    if answer.status != 200:  # noqa: PLR2004  # RFC 6749, 5.1
        raise Failed(f"no token: the endpoint answered {answer.status}")
    try:
        return msgspec.json.decode(text, type=Granted)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Failed("no token: the endpoint's answer has none") from error


def _form(auth: OAuth2) -> dict[str, Any]:
    fields = {"grant_type": "client_credentials"} | ({"scope": auth.scopes} if auth.scopes else {})
    headers = dict(FORM)
    if auth.client_auth is ClientAuth.POST:
        fields |= {"client_id": auth.client_id, "client_secret": auth.client_secret}
    else:  # RFC 6749, 2.3.1: each half is encoded by itself before they are joined
        pair = f"{quote_plus(auth.client_id)}:{quote_plus(auth.client_secret)}"
        headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode('ascii')}"
    return {"data": urlencode(fields).encode(), "headers": headers}
