"""Builds the files of the API explorers once per version, in a process of its own, and serves them from DATA_DIR.

Generating the OpenAPI document takes about a second of CPU and 30 MB, compressing the explorers' scripts as long. In
the API's process that would delay all other requests, so `app.commands.build_explorer` does it on the first request.
"""

import asyncio
import os
import re
import subprocess
import sys
from functools import cache
from hashlib import sha256
from pathlib import Path
from time import monotonic
from typing import Any

import structlog
from litestar import Request, Response

import app
import schema
from app import tasks, version
from app.errors import NoSuch, Unavailable
from app.pages import explorer_bundle
from app.processes import child

BUILD_TIMEOUT_S = 120.0  # a busy, slow machine needs about 10 s
RETRY_PAUSE_S = 60  # after a failure, before the next attempt
KEPT_VERSIONS = 3  # versions whose files are kept: during an upgrade processes of two versions run
GZIP_SUFFIX = ".gz"
ZERO_WEIGHT = re.compile(r"0(\.0*)?")  # a quality value of zero in Accept-Encoding

log = structlog.get_logger()


@cache
def build_digest() -> str:
    """A digest of the files' sources: our own code and the package with the explorers."""
    own_sources = [
        path for package in (app, schema) for path in sorted(Path(str(package.__file__)).parent.rglob("*.py"))
    ]
    digest = sha256(version.VERSION.encode())
    for path in (*own_sources, *explorer_bundle.SOURCES):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


class ExplorerFiles:
    """The folder with the files of this version. `root` contains the folders of all versions."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._build_task: asyncio.Task[None] | None = None
        self._retry_at = 0.0

    async def get_folder(self) -> Path:
        """The folder, built first if it is missing. Raises Unavailable."""
        folder = self._root / await asyncio.to_thread(build_digest)
        if await asyncio.to_thread(folder.is_dir):
            return folder
        if self._build_task is None and monotonic() > self._retry_at:
            self._build_task = asyncio.create_task(self._build(), name="explorer_files")
        if self._build_task is not None:
            await asyncio.shield(self._build_task)  # other requests wait for it too
        if not await asyncio.to_thread(folder.is_dir):
            raise Unavailable(
                "The API document could not be built. The server log says why.", retry_after_s=RETRY_PAUSE_S
            )
        return folder

    async def stop(self) -> None:
        """Cancel a running build."""
        if self._build_task is not None:
            await tasks.cancel(self._build_task)

    async def _build(self) -> None:
        try:
            code, stderr = await _run_process(
                [sys.executable, "-P", "-m", "app.commands.build_explorer", str(self._root)]
            )
            if code:
                self._retry_at = monotonic() + RETRY_PAUSE_S
                log.error("explorer.build_failed", code=code, reason=stderr.decode(errors="replace")[-2_000:])
        finally:
            self._build_task = None


async def _run_process(command: list[str]) -> tuple[int | None, bytes]:
    """Run a process to its end; returns its exit code and stderr."""
    process = await asyncio.create_subprocess_exec(
        *command,
        env=child.environment(os.environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        _, stderr = await asyncio.wait_for(process.communicate(), BUILD_TIMEOUT_S)
    except TimeoutError:
        stderr = b"It took too long."
    finally:
        if process.returncode is None:
            process.kill()
    return await process.wait(), stderr


async def file_response(request: Request[Any, Any, Any], name: str, cache_control: str) -> Response[bytes]:
    """One of the files, compressed if the client accepts it. Raises NoSuch, Unavailable."""
    if name not in explorer_bundle.MEDIA_TYPE_OF:
        raise NoSuch("file", name)
    folder = await request.app.state.shelf.get_folder()
    compressed = name not in explorer_bundle.UNCOMPRESSED and accepts_gzip(request.headers.get("Accept-Encoding", ""))
    etag = f'"{folder.name}{"-gzip" if compressed else ""}"'
    headers = {"ETag": etag, "Vary": "Accept-Encoding", "Cache-Control": cache_control}
    if compressed:
        headers["Content-Encoding"] = "gzip"
    content = await asyncio.to_thread((folder / f"{name}{GZIP_SUFFIX if compressed else ''}").read_bytes)
    return Response(content, media_type=explorer_bundle.MEDIA_TYPE_OF[name], headers=headers)


def accepts_gzip(accept: str) -> bool:
    """Whether an `Accept-Encoding` header accepts gzip (RFC 9110, 12.5.3)."""
    parts = (part.replace(" ", "").partition(";q=") for part in accept.lower().split(","))
    weights = {coding: weight for coding, _, weight in parts}
    weight = weights.get("gzip", weights.get("x-gzip", weights.get("*")))
    return weight is not None and not ZERO_WEIGHT.fullmatch(weight)
