"""A PostgreSQL of our own: made in a temporary directory, on loopback, as a user who is not root, and removed."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

from bench.ports import unused_port

BIN = Path(os.environ.get("POSTGRES_BIN", "/usr/lib/postgresql/15/bin"))
USER = "postgres"
LIMIT_S = 60.0
OPTIONS = "-c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=200"


class Cluster:
    """One running cluster."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, unused_port()
        self.environ = {
            "DB_TYPE": "postgres",
            "DB_HOST": "127.0.0.1",
            "DB_PORT": str(self.port),
            "DB_NAME": "postgres",
            "DB_USER": USER,
            "DB_SSLMODE": "disable",
        }

    async def make(self) -> None:
        """Create it and start it."""
        await _run("initdb", "-D", str(self.folder / "db"), "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync")
        await self.start()

    async def start(self) -> None:
        """Start it; returns when it takes connections."""
        options, log = f"-p {self.port} {OPTIONS}", str(self.folder / "log")
        await _run("pg_ctl", "-D", str(self.folder / "db"), "-o", options, "-l", log, "-w", "start")

    async def renew(self) -> None:
        """Another, empty database for the next installation."""
        name = f"installation_{uuid4().hex}"
        await _run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", USER, name)
        self.environ["DB_NAME"] = name

    async def stop(self, how: str = "immediate") -> None:
        """Stop it as after a power cut, or `fast`."""
        await _run("pg_ctl", "-D", str(self.folder / "db"), "-m", how, "-w", "stop")


async def _run(tool: str, *words: str) -> None:
    """Run a tool of PostgreSQL, as its own user when we are root: it refuses to be run by root."""
    drop = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"] if os.geteuid() == 0 else []
    done = await asyncio.create_subprocess_exec(
        *drop, str(BIN / tool), *words, cwd="/", stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL
    )
    if await asyncio.wait_for(done.wait(), LIMIT_S):
        raise RuntimeError(f"{tool} ended with {done.returncode}")


@asynccontextmanager
async def cluster() -> AsyncIterator[Cluster]:
    """A fresh cluster, for as long as the block lasts."""
    folder = Path(tempfile.mkdtemp(prefix="wk-postgres-"))
    if os.geteuid() == 0:
        shutil.chown(folder, USER, USER)
    one = Cluster(folder)
    try:
        await one.make()
        yield one
    finally:
        if (folder / "db" / "postmaster.pid").exists():
            await one.stop()
        shutil.rmtree(folder, ignore_errors=True)
