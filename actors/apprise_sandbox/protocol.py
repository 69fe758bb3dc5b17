"""The protocol between worker and sandbox: a send request, HTTP requests and responses, then the result.

A frame is its length in four bytes, most significant first, and a struct as MessagePack.
"""

import struct

import msgspec
from msgspec import Struct

MAX_FRAME_BYTES = 2_000_000  # a message has some kilobytes, and no service responds with megabytes
HEAD = struct.Struct(">I")


class FormattedText(Struct, frozen=True):
    """A message in one of Apprise's formats.

    first_line    the title, for services that have no field for it
    """

    first_line: str
    text: str


class SendRequest(Struct, frozen=True, tag=True):
    """One message for one address.

    module         of Apprise: `gotify` of `apprise.plugins.gotify`
    url            in Apprise's form; holds secrets
    notify_type    Apprise's: info, success, warning, failure
    title          for services that have a field for it
    renderings     by Apprise's names of its formats: text, markdown, html; only the sandbox knows which one is needed
    """

    module: str
    url: str
    notify_type: str
    title: str
    renderings: dict[str, FormattedText]


class SandboxHttpRequest(Struct, frozen=True, tag=True):
    """An HTTP request of the service, made by the worker under its egress policy.

    verify    whether the certificate must be valid
    """

    method: str
    url: str
    headers: list[tuple[str, str]]
    body: bytes
    verify: bool = True


class SandboxHttpResponse(Struct, frozen=True, tag=True):
    """An HTTP response; `error` says why there is none."""

    status: int = 0
    headers: list[tuple[str, str]] = []
    body: bytes = b""
    error: str = ""


class SendResult(Struct, frozen=True, tag=True):
    """The result of a send request.

    sent         Apprise reports that the service accepted it
    error        why nothing was sent
    targets      how many messages the address stands for
    log_lines    Apprise's log, newest last; may hold secrets
    denied       audit events that the restrictions denied
    """

    sent: bool = False
    error: str = ""
    targets: int = 1
    log_lines: list[str] = []
    denied: list[str] = []


Frame = SendRequest | SandboxHttpRequest | SandboxHttpResponse | SendResult

_DECODER = msgspec.msgpack.Decoder(Frame)


class SandboxProtocolError(Exception):
    """The pipe is closed, or a frame is invalid."""


def encode_frame(frame: Frame) -> bytes:
    """Encode a frame. Raises SandboxProtocolError when it is too long."""
    body = msgspec.msgpack.encode(frame)
    if len(body) > MAX_FRAME_BYTES:
        raise SandboxProtocolError(f"{len(body)} bytes are too long for one frame")
    return HEAD.pack(len(body)) + body


def frame_length(head: bytes) -> int:
    """The body length from a frame's head. Raises SandboxProtocolError."""
    length = int(HEAD.unpack(head)[0])
    if length > MAX_FRAME_BYTES:
        raise SandboxProtocolError(f"{length} bytes are too long for one frame")
    return length


def decode_frame(body: bytes) -> Frame:
    """Decode a frame's body. Raises SandboxProtocolError."""
    try:
        frame: Frame = _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SandboxProtocolError(str(error)) from error
    return frame
