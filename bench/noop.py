"""The yardstick of pushes: a Litestar handler that does nothing, behind the server that the product uses.

python -m bench.noop <port>
"""

import asyncio
import signal
import sys

import uvloop
from granian.constants import Interfaces
from granian.server.embed import Server
from litestar import Litestar, get
from litestar.params import FromPath


@get("/noop/{token:str}")
async def noop(token: FromPath[str]) -> dict[str, bool]:
    """Do nothing and confirm it."""
    del token
    return {"ok": True}


async def serve(port: int) -> None:
    """Serve until SIGTERM."""
    app = Litestar([noop], openapi_config=None)
    server = Server(app, address="127.0.0.1", port=port, interface=Interfaces.ASGI, log_enabled=False)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, server.stop)
    await server.serve()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
