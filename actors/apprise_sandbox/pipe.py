"""The cage's end of the line: blocking, one frame at a time."""

import os
import threading

from actors.apprise_sandbox.protocol import HEAD, Answer, Broken, Call, Frame, framed, length_of, read


class Line:
    """The one descriptor that leads outside."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._turn = threading.Lock()  # some services send from threads of their own

    def take(self) -> Frame:
        """The next frame. Raises Broken at the end."""
        return read(self._exactly(length_of(self._exactly(HEAD.size))))

    def give(self, said: Frame) -> None:
        """Send a frame."""
        left = memoryview(framed(said))
        while left:
            left = left[os.write(self._descriptor, left) :]

    def ask(self, call: Call) -> Answer:
        """Have a request made outside. Raises Broken."""
        with self._turn:
            self.give(call)
            answer = self.take()
        if not isinstance(answer, Answer):
            raise Broken(f"{type(answer).__name__} is no answer")
        return answer

    def _exactly(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            more = os.read(self._descriptor, count - len(found))
            if not more:
                raise Broken("the other end is gone")
            found += more
        return found
