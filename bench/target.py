"""The target of every check: answers at once or late, fails or hangs as ordered, and records each request.

GET /t/<n>                          what monitor n asks for
GET /set?from=<n>&to=<n>&as=<a>     a: 1 answers, 0 fails (500), 2 hangs for 30 s, 3 answers after 1.5 s
GET /log                            answers and switches since the last reset
GET /reset                          forgets them
"""

import asyncio
import sys
import time
from array import array
from urllib.parse import parse_qs, urlsplit

import msgspec

from bench import wire

FAIL, PASS, HANG, SLOW = 0, 1, 2, 3
UP = (PASS, SLOW)
HANG_S, SLOW_S = 30.0, 1.5
WAIT_S = {HANG: HANG_S, SLOW: SLOW_S}
FAILED = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\nno"


class Log(msgspec.Struct):
    """What happened, column by column. Times are epoch milliseconds, with fractions."""

    numbers: list[int] = []
    at_ms: list[float] = []
    answers: list[int] = []
    switches: list[tuple[int, float, int]] = []


class Target:
    """Behaviour by monitor number, and the log."""

    def __init__(self) -> None:
        self.behaviour: dict[int, int] = {}
        self.forget()

    def forget(self) -> None:
        """Start the log anew."""
        self.numbers, self.at_ms, self.answers = array("i"), array("d"), array("b")
        self.switches: list[tuple[int, float, int]] = []

    def serve(self, asker: wire.Wire, head: bytes, body: bytes) -> None:
        """Answer a check or a control request."""
        del body
        path = head.split(b" ", 2)[1]
        if path.startswith(b"/t/"):
            self.answer(asker, int(path[3:]))
        else:
            asker.send(wire.reply(self.respond(path.decode())))

    def answer(self, asker: wire.Wire, number: int) -> None:
        """Answer as number `number` behaves now, and remember it."""
        behaviour = self.behaviour.get(number, PASS)
        self.numbers.append(number)
        self.at_ms.append(time.time() * 1000)
        self.answers.append(behaviour)
        if behaviour in WAIT_S:
            asyncio.get_running_loop().call_later(WAIT_S[behaviour], asker.send, wire.OK)
        else:
            asker.send(wire.OK if behaviour == PASS else FAILED)

    def respond(self, path: str) -> bytes:
        """Obey a control path."""
        address = urlsplit(path)
        if address.path == "/set":
            self.switch({name: int(values[0]) for name, values in parse_qs(address.query).items()})
        elif address.path == "/reset":
            self.forget()
        elif address.path == "/log":
            return self.log()
        return b"{}"

    def switch(self, words: dict[str, int]) -> None:
        """Change how a range of numbers behaves, last one included."""
        now_ms = time.time() * 1000
        for number in range(words["from"], words["to"] + 1):
            self.behaviour[number] = words["as"]
            self.switches.append((number, now_ms, words["as"]))

    def log(self) -> bytes:
        """The log as JSON."""
        log = Log(self.numbers.tolist(), self.at_ms.tolist(), self.answers.tolist(), self.switches)
        return msgspec.json.encode(log)


if __name__ == "__main__":
    wire.run(Target().serve, int(sys.argv[1]) if len(sys.argv) > 1 else 0)
