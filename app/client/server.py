"""The API client of the commands: JSON in and out, and one-line error messages."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from app.domain.parsing import untrusted_json

TIMEOUT_S = 660  # longer than the longest check


class CommandFailed(Exception):  # noqa: N818  # a fact, not an error of ours
    """The server refused or did not answer; the reason is one line. `code` is the API's error code."""

    def __init__(self, reason: str, code: str = "") -> None:
        super().__init__(reason)
        self.code = code


class ApiClient:
    """A client of one server, signed in by the session's token."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session, self.url = session, url.rstrip("/")

    async def get(self, path: str, **query: str | int) -> Any:
        """Send a GET request. Raises CommandFailed."""
        return await self.request("GET", path, params=query)

    async def post(self, path: str, body: Any) -> Any:
        """Send a POST request; `body` None sends none. Raises CommandFailed."""
        return await self.request("POST", path, **({} if body is None else {"json": body}))

    async def delete(self, path: str) -> None:
        """Send a DELETE request. Raises CommandFailed."""
        await self.request("DELETE", path)

    async def post_report(self, path: str, params: dict[str, str], body: bytes) -> Any:
        """Send a push report with its log. Raises CommandFailed."""
        return await self.request("POST", path, params=params, data=body)

    async def request(self, method: str, path: str, **options: Any) -> Any:
        """Send a request; returns the decoded reply, None for an empty one. Raises CommandFailed."""
        try:
            async with self.session.request(method, f"{self.url}/api/v1{path}", **options) as reply:
                body = await reply.read()
                content = untrusted_json.decode(body) if body else None
        except (aiohttp.ClientError, OSError) as error:
            raise CommandFailed(f"{self.url} can't be asked: {error_reason(error)}") from error
        except (ValueError, RecursionError) as error:
            raise CommandFailed(f"{self.url} does not answer like Watchkeeper") from error
        if reply.ok:
            return content
        raise CommandFailed(refusal_reason(content), refusal_code(content))


def error_reason(error: Exception) -> str:
    """Why a server can't be reached, in one line: the system's message if there is one, else the library's."""
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    number = cause.errno if isinstance(cause, OSError) else None
    return os.strerror(number) if number and number > 0 else " ".join(str(error).split()) or type(error).__name__


def refusal_reason(reply: Any) -> str:
    """The message of an error reply, with each invalid field."""
    try:
        error = reply["error"]
        fields = [f"{field['field']} {field['message']}" for field in error["details"].get("fields", ())]
        return "; ".join(fields) or str(error["message"])
    except (TypeError, KeyError):
        return "the server refused, and did not say why"


def refusal_code(reply: Any) -> str:
    """The code of an error reply; empty if it has none."""
    try:
        return str(reply["error"]["code"])
    except (TypeError, KeyError):
        return ""


@asynccontextmanager
async def connect(url: str, token: str) -> AsyncIterator[ApiClient]:
    """A client for a server, closed at the end of the block; not signed in without a token."""
    headers, limit = {"Authorization": f"Bearer {token}"} if token else {}, aiohttp.ClientTimeout(total=TIMEOUT_S)
    async with aiohttp.ClientSession(headers=headers, timeout=limit) as session:
        yield ApiClient(session, url)
