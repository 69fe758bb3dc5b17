"""The whole product in a fresh directory on a free port, started as a user would, and functions to inspect it."""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp

from app import setup_token
from bench import processes
from bench.ports import unused_port
from bench.programs import ROOT

READY_S = 60.0
STOP_S = 30.0
ADMIN = {"email": "admin@example.com", "username": "admin", "password": "correct horse battery"}


class NotReady(Exception):  # noqa: N818  # a state
    """The product did not start, with the end of its output."""


LIMITS = ("RATE_LIMIT_AUTH", "RATE_LIMIT_READ", "RATE_LIMIT_WRITE", "RATE_LIMIT_RUN")  # paid for, never reached


class Installation:
    """One installation. Its processes are found by a mark in their environment; nothing else is ever signalled."""

    def __init__(self, folder: Path, session: aiohttp.ClientSession, environ: Mapping[str, str]) -> None:
        self.folder = folder
        self.session = session
        self.mark = str(uuid4())
        self.port = unused_port()
        self.token = ""
        self.log = folder / "up.log"
        self.environ = {
            **{name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "TMPDIR"}},
            "DATA_DIR": str(folder / "data"),
            "SERVER_PORT": str(self.port),
            "LOG_LEVEL": "warn",
            **dict.fromkeys(LIMITS, "1000000/m"),
            "PYTHONPATH": str(ROOT),
            processes.MARK: self.mark,
            **environ,
        }
        self._up: asyncio.subprocess.Process | None = None

    async def start(self) -> float:
        """Run `up` and wait until it is ready; returns the seconds that took."""
        began = time.perf_counter()
        with self.log.open("ab") as log:
            self._up = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "app.cli", "up", cwd=self.folder, env=self.environ, stdout=log, stderr=log
            )
        while not await self.is_ready():
            if self._up.returncode is not None or time.perf_counter() - began > READY_S:
                raise NotReady(self.log.read_text(errors="replace")[-2_000:])
            await asyncio.sleep(0.02)
        return time.perf_counter() - began

    async def is_ready(self) -> bool:
        """Whether the product reports that it is ready."""
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
            limit = aiohttp.ClientTimeout(total=5)
            async with self.session.get(self.url("/ready"), timeout=limit) as got:
                return got.status == 200
        return False

    async def stop(self) -> None:
        """End it as a user would; what is left after that is killed, by its id."""
        if self._up is not None and self._up.returncode is None:
            self._up.send_signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._up.wait(), STOP_S)
        for process in self.family():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        if self._up is not None:
            await self._up.wait()

    async def crash(self) -> None:
        """Kill every process at once, as a power cut would."""
        for process in self.family():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        if self._up is not None:
            await self._up.wait()
        while self.family():  # noqa: ASYNC110  # processes of the system have no event
            await asyncio.sleep(0.05)

    def family(self) -> list[processes.Process]:
        """Our living processes."""
        return processes.of(self.mark)

    def cost(self) -> processes.Cost:
        """What they have used so far."""
        return processes.cost(self.family())

    def url(self, path: str) -> str:
        """An address of the API."""
        return f"http://127.0.0.1:{self.port}/api/v1{path}"

    async def register(self) -> None:
        """Make the first user and sign in."""
        setup_token_text = (self.folder / "data" / setup_token.FILE_NAME).read_text(encoding="ascii").strip()
        await self.post("/auth/register", {**ADMIN, "setup_token": setup_token_text})
        await self.sign_in()

    async def sign_in(self) -> None:
        """Get a new access token; each is valid for 15 minutes."""
        self.token = (await self.post("/auth/login", {k: ADMIN[k] for k in ("email", "password")}))["access_token"]

    async def post(self, path: str, body: Any) -> Any:
        """POST JSON; the decoded answer. Raises RuntimeError for anything but success."""
        status, payload = await self.call("POST", path, body)
        if status >= 300:
            raise RuntimeError(f"POST {path}: {status} {payload}")
        return payload

    async def call(self, method: str, path: str, body: Any = None, *, limit_s: float = 30) -> tuple[int, Any]:
        """One request with our token: status and decoded answer."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        limit = aiohttp.ClientTimeout(total=limit_s)
        async with self.session.request(method, self.url(path), json=body, headers=headers, timeout=limit) as got:
            return got.status, await got.json(content_type=None)

    async def monitor(self, url: str, name: str, *, interval: int = 20, **more: Any) -> Any:
        """Add an HTTP monitor."""
        return await self.post(
            "/monitors", {"name": name, "type": "http", "config": {"url": url}, "interval": interval, **more}
        )

    async def webhook(self, url: str, *, name: str = "hook", is_default: bool = True) -> str:
        """Add a webhook channel; returns its id."""
        draft = {"name": name, "type": "webhook", "config": {"url": url}, "is_default": is_default}
        return str((await self.post("/notification-channels", draft))["id"])


@asynccontextmanager
async def fresh_installation(
    environ: Mapping[str, str] | None = None, folder: Path | None = None
) -> AsyncIterator[Installation]:
    """A fresh installation, not started yet; ended and removed whatever happens.

    folder    an empty one to live in instead of a temporary one
    """
    place = folder or Path(tempfile.mkdtemp(prefix="wk-bench-"))
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
    one = Installation(place, session, environ or {})
    try:
        yield one
    finally:
        await one.stop()
        await session.close()
        if folder is None:
            shutil.rmtree(place, ignore_errors=True)
