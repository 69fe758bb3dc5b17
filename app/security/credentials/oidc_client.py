"""HTTP client for an OpenID provider: connects by `Egress`, bounded in time and size, follows no redirects."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from app.domain.parsing import untrusted_json
from app.domain.parsing.web_url import parse_url
from app.errors import Upstream
from app.security.network.aiohttp_connector import SINGLE_USE, EgressConnector
from app.security.network.egress import Egress, EgressDenied
from app.security.network.resolver import Resolver
from schema.settings import EgressPolicy

TIMEOUT_S = 10.0
MAX_RESPONSE_BYTES = 262_144  # discovery documents and key sets are a few kilobytes
HEADERS = {"User-Agent": "Watchkeeper", "Accept": "application/json", "Accept-Encoding": "identity"}


class OidcProvider:
    """A provider, for the requests of one sign-in. Create it with `open_provider`."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http

    async def get_json(self, url: str, *, token: str | None = None) -> dict[str, Any]:
        """Fetch a JSON object. Raises Upstream."""
        authorization = {"Authorization": f"Bearer {token}"} if token else {}
        response = await self._request("GET", url, None, authorization)
        if response.get("error"):
            raise Upstream("The sign-in provider returned an error.")
        return response

    async def post_form(self, url: str, form: str, headers: Mapping[str, str]) -> dict[str, Any]:
        """Post a form to a token endpoint; returns tokens, or `error`. Raises Upstream."""
        all_headers = {"Content-Type": "application/x-www-form-urlencoded", **headers}
        return await self._request("POST", url, form, all_headers)

    async def _request(self, method: str, url: str, body: str | None, headers: Mapping[str, str]) -> dict[str, Any]:
        try:
            async with self._http.request(
                method, parse_url(url), data=body, headers=headers, allow_redirects=False
            ) as response:
                return _json_object(response.status, await _read_body(response))
        except EgressDenied as error:
            raise Upstream(
                f"The egress policy does not allow a connection to the sign-in provider: {error}."
            ) from error
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise Upstream("The sign-in provider is not responding.") from error


@asynccontextmanager
async def open_provider(policy: EgressPolicy) -> AsyncIterator[OidcProvider]:
    """A client for the provider, closed at the end."""
    resolver = Resolver()
    session = aiohttp.ClientSession(
        connector=EgressConnector(Egress(resolver, policy), **SINGLE_USE),
        timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=HEADERS,
        auto_decompress=False,  # `EgressConnector` leaves bodies as they were sent
    )
    try:
        async with session:
            yield OidcProvider(session)
    finally:
        resolver.close()


async def _read_body(response: aiohttp.ClientResponse) -> bytes:
    body = b""
    async for chunk in response.content.iter_chunked(16_384):
        body += chunk
        if len(body) > MAX_RESPONSE_BYTES:
            raise Upstream("The sign-in provider's response is too long.")
    return body


def _json_object(status: int, body: bytes) -> dict[str, Any]:
    """The JSON object of a response; for an error response without one, `error` with the status."""
    try:
        decoded = untrusted_json.decode(body)
    except (ValueError, RecursionError):
        decoded = None
    is_ok = status == 200  # noqa: PLR2004  # HTTP
    if isinstance(decoded, dict):
        return decoded if is_ok else {"error": str(status), **decoded}
    if is_ok:
        raise Upstream("The sign-in provider's response is not a JSON object.")
    return {"error": str(status)}
