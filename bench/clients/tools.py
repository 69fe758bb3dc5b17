"""The generators themselves and what they run on, installed from lock files beside this module, never into the product.

Each lock has an environment of its own below the folder of tools. It is made anew when its lock has changed.
"""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.json import decode

HERE = Path(__file__).parent
TOOLS_FOLDER = Path(sys.prefix) / "clients"
LIMIT_S = 600.0  # compiling Go's own library takes minutes on a busy machine
OUTPUT_CHARS = 20_000  # characters of what a failed command printed
LOCKED = ".locked"  # a copy of the lock that an environment was made from
QUIET = {
    "CI": "1",
    "DO_NOT_TRACK": "1",
    "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true",
    "REDOCLY_TELEMETRY": "off",
    "npm_config_audit": "false",
    "npm_config_fund": "false",
    "npm_config_loglevel": "error",
    "npm_config_update_notifier": "false",
}


class Package(Struct):
    """What npm's lock has of one package."""

    version: str = ""


class PackageLock(Struct):
    """npm's lock; names are paths, such as `node_modules/orval`."""

    packages: dict[str, Package]


class Failed(Exception):  # noqa: N818  # an outcome
    """A command did not succeed, with the end of what it printed."""


class Shell(Struct, frozen=True):
    """Runs commands in one folder, with programs from some others."""

    folder: Path
    programs: tuple[Path, ...] = ()
    environ: Mapping[str, str] = {}

    async def run(self, *words: str, limit_s: float = LIMIT_S) -> str:
        """What a command prints. Raises Failed."""
        path = os.pathsep.join([*map(str, self.programs), os.environ["PATH"]])
        environ = {**os.environ, **QUIET, **self.environ, "PATH": path}
        process = await asyncio.create_subprocess_exec(
            *words, cwd=self.folder, env=environ, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            printed, _ = await asyncio.wait_for(process.communicate(), limit_s)
        except TimeoutError:
            raise Failed(f"{words[0]}: not done after {limit_s:.0f} s") from None
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)  # with what it started
                await process.communicate()
        text = printed.decode(errors="replace")
        if process.returncode:
            raise Failed(f"{' '.join(words)[:200]}: exit code {process.returncode}\n{text[-OUTPUT_CHARS:]}")
        return text


async def python(lock: Path, folder: Path) -> Path:
    """An environment with what a lock for pip has; returns its folder of programs."""
    place = folder / "-".join(lock.relative_to(HERE).with_suffix("").parts)
    programs = place / "bin"
    if not _is_made(place, lock):
        shell, uv = Shell(folder), _uv()
        await shell.run(uv, "venv", "--quiet", "--python", sys.executable, str(place))
        install = ("pip", "install", "--quiet", "--python", str(programs / "python"))
        await shell.run(uv, *install, "--require-hashes", "-r", str(lock))
        _note(place, lock)
    return programs


async def node(lock: Path, folder: Path, programs: Sequence[Path]) -> Path:
    """The same for npm; returns the folder that holds `node_modules`."""
    place = folder / lock.parent.name
    if not _is_made(place, lock):
        place.mkdir()
        for file in (lock, lock.with_name("package.json")):
            shutil.copy(file, place)
        await Shell(place, tuple(programs)).run("npm", "ci", "--no-audit", "--no-fund")
        _note(place, lock)
    return place


def pinned(lock: Path, package: str) -> str:
    """The version that a lock has of a package; raises KeyError without one."""
    if lock.suffix == ".lock":
        names = dict(line.split("==", 1) for line in lock.read_text().splitlines() if "==" in line)
        return names[package].split()[0]
    packages = decode(lock.read_bytes(), type=PackageLock).packages
    return packages[f"node_modules/{package}"].version


def _uv() -> str:
    return str(Path(sys.executable).with_name("uv"))


def _is_made(place: Path, lock: Path) -> bool:
    """Whether an environment is the lock's; a half-made or outdated one is removed."""
    note = place / LOCKED
    if note.exists() and note.read_bytes() == lock.read_bytes():
        return True
    shutil.rmtree(place, ignore_errors=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    return False


def _note(place: Path, lock: Path) -> None:
    shutil.copy(lock, place / LOCKED)
