"""The server, as commands ask it: JSON in and out, and a sentence when it refuses."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from app.domain.parsing import untrusted_json

TIMEOUT_S = 660  # longer than the longest check may take


class CommandFailed(Exception):  # noqa: N818  # a fact, not an error of ours
    """The server did not do it, or did not answer; the reason is one line. `code` is the API's word for it."""

    def __init__(self, reason: str, code: str = "") -> None:
        super().__init__(reason)
        self.code = code


class ApiClient:
    """One server, with whoever the token is."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session, self.url = session, url.rstrip("/")

    async def get(self, path: str, **asked: str | int) -> Any:
        """Read something. Raises Refused."""
        return await self.request("GET", path, params=asked)

    async def post(self, path: str, body: Any) -> Any:
        """Have something done; None for no body. Raises Refused."""
        return await self.request("POST", path, **({} if body is None else {"json": body}))

    async def delete(self, path: str) -> None:
        """Remove something. Raises Refused."""
        await self.request("DELETE", path)

    async def post_report(self, path: str, words: dict[str, str], body: bytes) -> Any:
        """Send a report, with its log. Raises Refused."""
        return await self.request("POST", path, params=words, data=body)

    async def request(self, method: str, path: str, **given: Any) -> Any:
        """Any request; the decoded reply, None for an empty one. Raises Refused."""
        try:
            async with self.session.request(method, f"{self.url}/api/v1{path}", **given) as reply:
                body = await reply.read()
                told = untrusted_json.decode(body) if body else None
        except (aiohttp.ClientError, OSError) as error:
            raise CommandFailed(f"{self.url} can't be asked: {error_reason(error)}") from error
        except (ValueError, RecursionError) as error:
            raise CommandFailed(f"{self.url} does not answer like Watchkeeper") from error
        if reply.ok:
            return told
        raise CommandFailed(refusal_reason(told), refusal_code(told))


def error_reason(error: Exception) -> str:
    """Why a server can't be reached, in one line: what the system said, without the library's words around it."""
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    number = cause.errno if isinstance(cause, OSError) else None
    return os.strerror(number) if number and number > 0 else " ".join(str(error).split()) or type(error).__name__


def refusal_reason(told: Any) -> str:
    """What a refusal says, with each field that was wrong."""
    try:
        error = told["error"]
        fields = [f"{one['field']} {one['message']}" for one in error["details"].get("fields", ())]
        return "; ".join(fields) or str(error["message"])
    except (TypeError, KeyError):
        return "the server refused, and did not say why"


def refusal_code(told: Any) -> str:
    """The API's word for a refusal; empty for none."""
    try:
        return str(told["error"]["code"])
    except (TypeError, KeyError):
        return ""


@asynccontextmanager
async def connect(url: str, token: str) -> AsyncIterator[ApiClient]:
    """A server to ask, until the block ends; as nobody when there is no token."""
    headers, limit = {"Authorization": f"Bearer {token}"} if token else {}, aiohttp.ClientTimeout(total=TIMEOUT_S)
    async with aiohttp.ClientSession(headers=headers, timeout=limit) as session:
        yield ApiClient(session, url)
