"""What crosses the bars: an order in; calls and their answers back and forth; in the end, what came of it.

A frame is its length in four bytes, most significant first, and a struct as MessagePack.
"""

import struct

import msgspec
from msgspec import Struct

MAX_FRAME_BYTES = 2_000_000  # of a frame: a message is some kilobytes, and no service answers one with megabytes
HEAD = struct.Struct(">I")


class SendRequest(Struct, frozen=True, tag=True):
    """One message for one address.

    module    of Apprise: `gotify` of `apprise.plugins.gotify`
    url       in Apprise's form; holds secrets
    mood      Apprise's word for it: info, success, warning, failure
    """

    module: str
    url: str
    title: str
    text: str
    notify_type: str


class SandboxHttpRequest(Struct, frozen=True, tag=True):
    """An HTTP request that the service makes. It goes out by our door or not at all.

    verify    whether the certificate must be valid
    """

    method: str
    url: str
    headers: list[tuple[str, str]]
    body: bytes
    verify: bool = True


class SandboxHttpResponse(Struct, frozen=True, tag=True):
    """What was answered; `trouble` says why nothing was."""

    status: int = 0
    headers: list[tuple[str, str]] = []
    body: bytes = b""
    error: str = ""


class SendResult(Struct, frozen=True, tag=True):
    """What came of an order.

    sent       Apprise says that the service took it
    fault      why the order could not even be begun
    targets    how many messages the address stands for
    said       what Apprise logged, newest last; may hold secrets
    held       what the bars held back
    """

    sent: bool = False
    error: str = ""
    targets: int = 1
    log_lines: list[str] = []
    denied: list[str] = []


Frame = SendRequest | SandboxHttpRequest | SandboxHttpResponse | SendResult

_DECODER = msgspec.msgpack.Decoder(Frame)


class SandboxProtocolError(Exception):  # says what the line is
    """The other end is gone, or speaks in tongues."""


def encode_frame(frame: Frame) -> bytes:
    """The bytes of a frame. Raises Broken for what is too long."""
    body = msgspec.msgpack.encode(frame)
    if len(body) > MAX_FRAME_BYTES:
        raise SandboxProtocolError(f"{len(body)} bytes are too long for one frame")
    return HEAD.pack(len(body)) + body


def frame_length(head: bytes) -> int:
    """How many bytes follow this head. Raises Broken."""
    length = int(HEAD.unpack(head)[0])
    if length > MAX_FRAME_BYTES:
        raise SandboxProtocolError(f"{length} bytes are too long for one frame")
    return length


def decode_frame(body: bytes) -> Frame:
    """The struct of a frame's bytes. Raises Broken."""
    try:
        said: Frame = _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SandboxProtocolError(str(error)) from error
    return said
