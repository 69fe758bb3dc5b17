"""The running application for tests: settings, lifespan, clients and headers."""

import asyncio
import atexit
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from litestar import Litestar

from app import settings, setup_token
from app.main import configure_app, create_app
from app.pages.explorer_files import ExplorerFiles
from app.settings import Settings

Client = httpx.AsyncClient
Headers = dict[str, str]
HOME = "http://watchkeeper.test"
ADMIN_TOKEN = "the-installations-own-token"
ADA = {"email": "Ada@example.org", "password": "correct horse"}
SETUP = {"setup_token": "what-the-first-user-shows-in-tests"}  # beside the fields of who registers


def served(settings: Settings) -> Litestar:
    """The application with these settings: one for a whole run, so never two of them at the same time."""
    app = built(settings.client_url)
    configure_app(app, settings)
    app.state.shelf = ExplorerFiles(explorer_files())
    return app


@cache
def explorer_files() -> Path:
    """Where the explorers' files are, made once for a whole run."""
    place = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    return place


@cache
def built(client_url: str) -> Litestar:
    """One application for a whole run: making it takes longer than most tests."""
    with tempfile.TemporaryDirectory() as place:
        return create_app(settings.read_settings({"DATA_DIR": place, "CLIENT_URL": client_url}, Path(place)))


@asynccontextmanager
async def calling(app: Litestar) -> AsyncIterator[Client]:
    """A client of the running application, on this very event loop, so that tests may look into its parts."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)  # type: ignore[arg-type]  # its scopes are dicts
    started, stop = asyncio.Event(), asyncio.Event()
    living = asyncio.create_task(_live(app, started, stop))
    await asyncio.wait({living, asyncio.ensure_future(started.wait())}, return_when=asyncio.FIRST_COMPLETED)
    try:
        async with httpx.AsyncClient(transport=transport, base_url=HOME) as client:
            yield client
    finally:
        stop.set()
        await living


async def _live(app: Litestar, started: asyncio.Event, stop: asyncio.Event) -> None:
    """The application's life in a task of its own: a fixture's two halves run in two tasks, which anyio forbids."""
    async with app.lifespan():
        started.set()
        await stop.wait()


def set_up(settings: Settings) -> None:
    """Have SETUP be the installation's set-up token."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    (settings.data_dir / setup_token.FILE_NAME).write_text(SETUP["setup_token"], encoding="ascii")


def bearer(signed_in: dict[str, Any]) -> Headers:
    """What goes into a request after signing in."""
    return {"Authorization": f"Bearer {signed_in['access_token']}"}


def version_of(response: httpx.Response) -> int:
    """The version in the ETag of a response, without the digest of what is shown."""
    return int(response.headers["ETag"].strip('"').partition("-")[0])
