"""Entry point of the sandbox: `python -m actors.apprise_sandbox.main DESCRIPTOR`. Ends when the worker does."""

import sys

from actors.apprise_sandbox import requests_adapter, restrictions, send
from actors.apprise_sandbox.pipe import FramePipe
from actors.apprise_sandbox.protocol import SandboxProtocolError, SendRequest


def main(descriptor: int) -> None:
    """Send messages one by one until the pipe closes."""
    pipe = FramePipe(descriptor)
    restrictions.set_limits()
    requests_adapter.install(pipe)
    "prepared.example".encode("idna")  # loads a codec that a first message needs, before access is denied
    restrictions.deny_access()
    try:
        while isinstance(request := pipe.receive(), SendRequest):
            pipe.send(send.send_message(request))
    except SandboxProtocolError:
        return


if __name__ == "__main__":
    main(int(sys.argv[1]))
