"""One WebSocket connection: receives and sends JSON messages, limited in size and rate."""

import asyncio
from time import monotonic
from typing import Any

import msgspec
from litestar import WebSocket
from litestar.exceptions import WebSocketDisconnect

from app.api.http import bodies, errors, request_context
from app.api.live.inbound_limits import InboundLimit
from app.errors import Refusal, TooMany
from app.security.limits.rejections import REJECTED
from schema import ws_messages
from schema.ws_messages import Incoming, Outgoing

Socket = WebSocket[Any, Any, Any]

MAX_MESSAGE_BYTES = 16_384  # room for a hundred channel names
BURST, MESSAGES_PER_S = 60, 20  # a page that opens subscribes to a few dozen channels at once
TOLERATED_EXCESS = 5  # messages over the rate until the peer is closed; reset once its burst is full again
CLOSE_TIMEOUT_S = 2  # for a peer that reads nothing any more

# close codes: 4000 + the HTTP status with the same meaning
BAD_REQUEST, UNAUTHENTICATED, CROSS_SITE, RATE_LIMITED = 4400, 4401, 4403, 4429
MESSAGE_TOO_BIG, SERVICE_RESTART, TRY_AGAIN_LATER = 1009, 1012, 1013  # RFC 6455 §7.4.1 and the registry of close codes

_encoder = msgspec.json.Encoder()


def _peer_of(socket: Socket) -> tuple[str, int]:
    """The address and port of the direct peer, which may be a proxy."""
    if not socket.client:  # a Unix socket
        return "", 0
    return socket.client.host.removeprefix("::ffff:"), int(socket.client.port)  # Granian has it as text


class MessageTooLong(Refusal):
    """A message over MAX_MESSAGE_BYTES, which is not parsed."""

    status, code = 413, "PAYLOAD_TOO_LARGE"


class CloseConnection(Exception):  # noqa: N818  # an end, not an error of ours
    """Close the connection with this code, after an error message with the reason."""

    def __init__(self, code: int, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.code = code
        self.refusal = refusal


class LiveConnection:
    """Reads and writes one accepted socket, and limits the rate of its messages."""

    def __init__(self, socket: Socket) -> None:
        self.socket = socket
        self.inbound = InboundLimit(_peer_of(socket))
        self.request_id = request_context.choose_request_id(socket.headers.get("X-Request-ID", ""))
        self._tokens, self._filled_at, self._excess = float(BURST), monotonic(), 0

    async def receive(self) -> Incoming:
        """The next message. Raises a Refusal if it is invalid, CloseConnection if it is too long."""
        event = await self.socket.receive()
        if event["type"] != "websocket.receive":
            raise WebSocketDisconnect(detail="gone")
        self.inbound.message_received()
        text = (event.get("text") or "").encode() or event.get("bytes") or b""
        if len(text) > MAX_MESSAGE_BYTES:
            raise CloseConnection(
                MESSAGE_TOO_BIG, MessageTooLong(f"A message may have at most {MAX_MESSAGE_BYTES:,} bytes.")
            )
        await self._limit_rate()
        message: Incoming = bodies.decode_body(text, Incoming)
        return message

    async def send_text(self, text: str) -> None:
        """Send a text; waits for a slow peer."""
        await self.socket.send({"type": "websocket.send", "text": text, "bytes": None})

    async def send(self, frame: Outgoing) -> None:
        """Send a message."""
        await self.send_text(_encoder.encode(frame).decode())

    async def send_error(self, refusal: Refusal) -> None:
        """Send an error; the connection stays open."""
        await self.send(ws_messages.ErrorFrame(error=errors.error_body(refusal, self.request_id)))

    async def close(self, closing: CloseConnection) -> None:
        """Send the reason and close. A peer that does not read is left to the server."""
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self.send_error(closing.refusal)
                # the reason may have 123 bytes (RFC 6455 §5.5)
                await self.socket.close(closing.code, closing.refusal.code)
        except TimeoutError:
            return

    async def _limit_rate(self) -> None:
        """Take a token from the bucket of messages. Without one, wait for a second, to slow a flood, and refuse.

        raises  TooMany; CloseConnection after TOLERATED_EXCESS refusals
        """
        now = monotonic()
        self._tokens = min(float(BURST), self._tokens + (now - self._filled_at) * MESSAGES_PER_S)
        self._filled_at = now
        if self._tokens >= 1:
            self._excess = 0 if self._tokens == BURST else self._excess
            self._tokens -= 1
            return
        REJECTED.labels("rate").inc()
        self._excess += 1
        refusal = TooMany(f"A connection may send at most {MESSAGES_PER_S} messages per second.", retry_after_s=1)
        if self._excess > TOLERATED_EXCESS:
            raise CloseConnection(RATE_LIMITED, refusal)
        await asyncio.sleep(1)
        raise refusal
