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

from actors.apprise_sandbox.pipe import FramePipe
from actors.apprise_sandbox.protocol import SandboxHttpRequest, SandboxHttpResponse

OMITTED_HEADERS = frozenset({"host", "content-length", "connection", "accept-encoding", "transfer-encoding"})


def install(pipe: FramePipe) -> None:
    """Let every request of this process go by that line."""

    def send(
        self: HTTPAdapter, request: requests.PreparedRequest, *_: Any, verify: Any = True, **__: Any
    ) -> requests.Response:
        answer = pipe.request(_http_request(request, verify=verify is not False))
        if answer.error:
            raise requests.ConnectionError(answer.error, request=request)
        return self.build_response(request, _urllib3_response(answer))

    HTTPAdapter.send = send  # type: ignore[method-assign]  # the seam of theirs that this module is about


def _http_request(request: requests.PreparedRequest, *, verify: bool) -> SandboxHttpRequest:
    headers = [(_text(name), _text(value)) for name, value in (request.headers or {}).items()]
    return SandboxHttpRequest(
        method=request.method or "GET",
        url=request.url or "",
        headers=[(name, value) for name, value in headers if name.lower() not in OMITTED_HEADERS],
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


def _urllib3_response(answer: SandboxHttpResponse) -> HTTPResponse:
    """The answer as `requests` expects it from below, cookies included."""
    message: Message = HTTPMessage()
    for name, value in answer.headers:
        message.add_header(name, value)
    headers = HTTPHeaderDict(answer.headers)
    raw = HTTPResponse(body=io.BytesIO(answer.body), headers=headers, status=answer.status, preload_content=False)
    raw._original_response = SimpleNamespace(msg=message, isclosed=lambda: True, close=lambda: None)  # type: ignore[assignment]  # noqa: SLF001  # where `requests` looks for cookies
    return raw
