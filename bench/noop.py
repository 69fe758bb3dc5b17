"""The yardstick of pushes: a Litestar handler that does nothing, behind the same server.

python -m bench.noop <port>
"""

import sys

from granian.constants import Interfaces, Loops
from granian.server import Server
from litestar import Litestar, get
from litestar.params import FromPath


@get("/noop/{token:str}")
async def noop(token: FromPath[str]) -> dict[str, bool]:
    """Do nothing, and say so."""
    del token
    return {"ok": True}


app = Litestar([noop], openapi_config=None)


if __name__ == "__main__":
    Server(
        "bench.noop:app", address="127.0.0.1", port=int(sys.argv[1]), interface=Interfaces.ASGI, loop=Loops.uvloop,
        log_enabled=False, websockets=False,
    ).serve()  # fmt: skip
