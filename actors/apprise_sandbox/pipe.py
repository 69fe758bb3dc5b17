"""The cage's end of the line: blocking, one frame at a time."""

import os
import threading

from actors.apprise_sandbox.protocol import (
    HEAD,
    Frame,
    SandboxHttpRequest,
    SandboxHttpResponse,
    SandboxProtocolError,
    decode_frame,
    encode_frame,
    frame_length,
)


class FramePipe:
    """The one descriptor that leads outside."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()  # some services send from threads of their own

    def receive(self) -> Frame:
        """The next frame. Raises Broken at the end."""
        return decode_frame(self._read_exactly(frame_length(self._read_exactly(HEAD.size))))

    def send(self, frame: Frame) -> None:
        """Send a frame."""
        left = memoryview(encode_frame(frame))
        while left:
            left = left[os.write(self._descriptor, left) :]

    def request(self, request: SandboxHttpRequest) -> SandboxHttpResponse:
        """Have a request made outside. Raises Broken."""
        with self._lock:
            self.send(request)
            answer = self.receive()
        if not isinstance(answer, SandboxHttpResponse):
            raise SandboxProtocolError(f"{type(answer).__name__} is no answer")
        return answer

    def _read_exactly(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            more = os.read(self._descriptor, count - len(found))
            if not more:
                raise SandboxProtocolError("the other end is gone")
            found += more
        return found
