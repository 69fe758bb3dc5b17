"""A PostgreSQL for one test module: it can be restarted and have its connections cut."""

import asyncio
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import asyncpg
import pytest

from app import settings
from app.settings import Settings

SCRIPT = Path(__file__).parents[1] / ".ci" / "postgres"
PACKAGES = Path("/usr/lib/postgresql")


class Cluster:
    """A running server."""

    def __init__(self, place: Path) -> None:
        self._place = place
        exports = subprocess.run([SCRIPT, "start", place], check=True, capture_output=True, text=True).stdout
        environ = dict(re.findall(r"(DB_\w+)=(\S+)", exports))
        self.environ = {**environ, "DATA_DIR": str(place / "data"), "API_SECRET_KEY": "a key for tests, long enough"}
        self.settings: Settings = settings.read_settings(self.environ, place)

    async def restart(self, how: str) -> None:
        """`fast` or `immediate`; returns when it lets people in again."""
        script = await asyncio.create_subprocess_exec(SCRIPT, "restart", self._place, how)
        assert await script.wait() == 0

    async def execute(self, *statements: str) -> None:
        """Run statements as its owner, over a connection of its own."""
        connection = await asyncpg.connect(**self.settings.postgres_dsn_parts())
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    async def cut(self, which: str = "true") -> None:
        """Terminate the others' connections, or some of them."""
        others = f"pid <> pg_backend_pid() AND backend_type = 'client backend' AND {which}"
        await self.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")

    def cut_unseen(self) -> None:
        """The same before the caller's loop can read the server's goodbye."""
        thread = Thread(target=lambda: asyncio.run(self.cut()))
        thread.start()
        thread.join()

    def stop(self) -> None:
        """Stop it at once."""
        subprocess.run([SCRIPT, "stop", self._place], check=False, stderr=subprocess.DEVNULL)


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """A fresh one, for as long as the block lasts."""
    if not (any(PACKAGES.glob("*/bin/initdb")) or shutil.which("initdb")):
        pytest.skip("initdb and pg_ctl are not here: apt-get install postgresql")
    with tempfile.TemporaryDirectory(prefix="wk-postgres-", dir="/tmp", ignore_cleanup_errors=True) as place:
        Path(place).chmod(0o755)  # PostgreSQL's own user has to get in
        cluster = Cluster(Path(place))
        try:
            yield cluster
        finally:
            cluster.stop()
