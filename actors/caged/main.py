"""The process in the cage: `python -m actors.caged.main DESCRIPTOR`. Ends when the other end does."""

import sys

from actors.caged import bars, tell, transport
from actors.caged.line import Line
from actors.caged.wire import Broken, Order


def main(descriptor: int) -> None:
    """Carry out orders, one after the other, until there are no more."""
    line = Line(descriptor)
    bars.limit()
    transport.install(line)
    _prepare()
    bars.shut()
    try:
        while isinstance(order := line.take(), Order):
            line.give(tell.carry_out(order))
    except Broken:
        return


def _prepare() -> None:
    """Have loaded what a first message would load through the bars."""
    "prepared.example".encode("idna")


if __name__ == "__main__":
    main(int(sys.argv[1]))
