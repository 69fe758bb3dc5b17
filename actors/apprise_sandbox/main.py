"""The process in the cage: `python -m actors.apprise_sandbox.main DESCRIPTOR`. Ends when the other end does."""

import sys

from actors.apprise_sandbox import requests_adapter, restrictions, send
from actors.apprise_sandbox.pipe import Line
from actors.apprise_sandbox.protocol import Broken, Order


def main(descriptor: int) -> None:
    """Carry out orders, one after the other, until there are no more."""
    line = Line(descriptor)
    restrictions.limit()
    requests_adapter.install(line)
    _prepare()
    restrictions.shut()
    try:
        while isinstance(order := line.take(), Order):
            line.give(send.carry_out(order))
    except Broken:
        return


def _prepare() -> None:
    """Have loaded what a first message would load through the bars."""
    "prepared.example".encode("idna")


if __name__ == "__main__":
    main(int(sys.argv[1]))
