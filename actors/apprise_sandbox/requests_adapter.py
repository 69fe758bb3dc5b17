"""Patches `requests` so that every HTTP request goes through the pipe to the worker.

`HTTPAdapter.send` handles each request and redirect. Responses carry no redirect target, so none is followed. Anything
that bypasses this needs a socket, which the restrictions deny.
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
    """Send every request of this process through the pipe."""

    def send(
        self: HTTPAdapter, request: requests.PreparedRequest, *_: Any, verify: Any = True, **__: Any
    ) -> requests.Response:
        response = pipe.request(_http_request(request, verify=verify is not False))
        if response.error:
            raise requests.ConnectionError(response.error, request=request)
        return self.build_response(request, _urllib3_response(response))

    HTTPAdapter.send = send  # type: ignore[method-assign]  # the purpose of this module


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


def _urllib3_response(response: SandboxHttpResponse) -> HTTPResponse:
    """The response in the form that `requests` expects from urllib3, cookies included."""
    message: Message = HTTPMessage()
    for name, value in response.headers:
        message.add_header(name, value)
    headers = HTTPHeaderDict(response.headers)
    raw = HTTPResponse(body=io.BytesIO(response.body), headers=headers, status=response.status, preload_content=False)
    raw._original_response = SimpleNamespace(msg=message, isclosed=lambda: True, close=lambda: None)  # type: ignore[assignment]  # noqa: SLF001  # where `requests` looks for cookies
    return raw
