"""The way of `requests` out of the cage: every session's adapter hands its request to whoever holds the other end.

`HTTPAdapter.send` is where each of its requests and redirects comes by. Redirects are answered without their target,
so none is followed. What does not go through here needs a socket, and the bars have none.
"""

import io
from email.message import Message
from http.client import HTTPMessage
from types import SimpleNamespace
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPHeaderDict, HTTPResponse

from actors.apprise_sandbox.pipe import Line
from actors.apprise_sandbox.protocol import Answer, Call

OURS = frozenset({"host", "content-length", "connection", "accept-encoding", "transfer-encoding"})


def install(line: Line) -> None:
    """Let every request of this process go by that line."""

    def send(
        self: HTTPAdapter, request: requests.PreparedRequest, *_: Any, verify: Any = True, **__: Any
    ) -> requests.Response:
        answer = line.ask(_call_of(request, verify=verify is not False))
        if answer.trouble:
            raise requests.ConnectionError(answer.trouble, request=request)
        return self.build_response(request, _as_urllib3(answer))

    HTTPAdapter.send = send  # type: ignore[method-assign]  # the seam of theirs that this module is about


def _call_of(request: requests.PreparedRequest, *, verify: bool) -> Call:
    headers = [(_text(name), _text(value)) for name, value in (request.headers or {}).items()]
    return Call(
        method=request.method or "GET",
        url=request.url or "",
        headers=[(name, value) for name, value in headers if name.lower() not in OURS],
        body=_bytes(request.body),
        verify=verify,
    )


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _bytes(body: Any) -> bytes:
    if body is None:
        return b""
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, bytes | bytearray):
        return bytes(body)
    return bytes(body.read()) if hasattr(body, "read") else b"".join(body)


def _as_urllib3(answer: Answer) -> HTTPResponse:
    """The answer as `requests` expects it from below, cookies included."""
    message: Message = HTTPMessage()
    for name, value in answer.headers:
        message.add_header(name, value)
    headers = HTTPHeaderDict(answer.headers)
    raw = HTTPResponse(body=io.BytesIO(answer.body), headers=headers, status=answer.status, preload_content=False)
    raw._original_response = SimpleNamespace(msg=message, isclosed=lambda: True, close=lambda: None)  # type: ignore[assignment]  # noqa: SLF001  # where `requests` looks for cookies
    return raw
