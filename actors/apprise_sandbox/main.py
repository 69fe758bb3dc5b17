"""The process in the cage: `python -m actors.apprise_sandbox.main DESCRIPTOR`. Ends when the other end does."""

import sys

from actors.apprise_sandbox import requests_adapter, restrictions, send
from actors.apprise_sandbox.pipe import FramePipe
from actors.apprise_sandbox.protocol import SandboxProtocolError, SendRequest


def main(descriptor: int) -> None:
    """Carry out orders, one after the other, until there are no more."""
    line = FramePipe(descriptor)
    restrictions.set_limits()
    requests_adapter.install(line)
    _preload()
    restrictions.deny_access()
    try:
        while isinstance(order := line.receive(), SendRequest):
            line.send(send.send_message(order))
    except SandboxProtocolError:
        return


def _preload() -> None:
    """Have loaded what a first message would load through the bars."""
    "prepared.example".encode("idna")


if __name__ == "__main__":
    main(int(sys.argv[1]))
