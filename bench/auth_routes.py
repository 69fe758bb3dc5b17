"""The application of an installation with two more equal routes: one public, one for signed-in users.

python -m bench.auth_routes      with the installation's environment; SERVER_PORT is its own
"""

import os
import sys
from pathlib import Path

import uvloop
from granian.constants import Interfaces
from granian.server.embed import Server
from litestar import get

from app import log, settings
from app.main import create_app
from app.security.auth.policy import ANYONE, VIEWER

PUBLIC, SIGNED_IN = "/bench/public", "/bench/signed-in"


@get(PUBLIC, guards=[ANYONE])
async def public_route() -> dict[str, bool]:
    """Do nothing, without authentication."""
    return {"ok": True}


@get(SIGNED_IN, guards=[VIEWER])
async def signed_in_route() -> dict[str, bool]:
    """Do nothing, for a signed-in user."""
    return {"ok": True}


async def serve() -> None:
    """Serve until killed."""
    found = settings.read_settings(os.environ, Path.cwd())
    log.configure(found, "api")
    app = create_app(found, extra=[public_route, signed_in_route])
    await Server(app, address="127.0.0.1", port=found.server_port, interface=Interfaces.ASGI, log_enabled=False).serve()


if __name__ == "__main__":
    sys.exit(uvloop.run(serve()))
