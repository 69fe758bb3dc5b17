"""The sandbox's end of the pipe: blocking, one frame at a time."""

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
    """Frames over the only descriptor that leads outside."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()  # some services send from their own threads

    def receive(self) -> Frame:
        """Read the next frame. Raises SandboxProtocolError when the pipe is closed."""
        return decode_frame(self._read_exactly(frame_length(self._read_exactly(HEAD.size))))

    def send(self, frame: Frame) -> None:
        """Write a frame."""
        left = memoryview(encode_frame(frame))
        while left:
            left = left[os.write(self._descriptor, left) :]

    def request(self, request: SandboxHttpRequest) -> SandboxHttpResponse:
        """Have the worker make an HTTP request. Raises SandboxProtocolError."""
        with self._lock:
            self.send(request)
            response = self.receive()
        if not isinstance(response, SandboxHttpResponse):
            raise SandboxProtocolError(f"{type(response).__name__} is no answer")
        return response

    def _read_exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = os.read(self._descriptor, count - len(data))
            if not more:
                raise SandboxProtocolError("the other end is gone")
            data += more
        return data
