"""A Docker Engine of our own: its directories, socket and network are apart from whatever else runs on the machine."""

import http.client
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

START_S = 60.0
STOP_S = 30.0


class _Unix(http.client.HTTPConnection):
    """HTTP over the Engine's socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        """Open the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(str(self._path))


class Engine:
    """A running dockerd, and the command lines that speak to it."""

    def __init__(self, place: Path, compose: Sequence[str]) -> None:
        self.pid = 0
        self._socket, self._compose = place / "docker.sock", list(compose)
        # The classic builder: it comes with the Engine, BuildKit's command line does not.
        self.environ = {**os.environ, "DOCKER_HOST": f"unix://{self._socket}", "DOCKER_BUILDKIT": "0"}

    def docker(self, *words: str | Path, check: bool = True) -> str:
        """Run `docker`; returns what it prints."""
        return self._run(["docker", *map(str, words)], {}, check=check)

    def compose(self, project: Path, *words: str, environ: Mapping[str, str] | None = None, check: bool = True) -> str:
        """Run `docker compose` in a project's directory; returns what it prints."""
        command = [*self._compose, "--project-directory", str(project), "-p", "trial", *words]
        return self._run(command, environ or {}, check=check)

    def get(self, path: str) -> Any:
        """GET something from the Engine's API."""
        connection = _Unix(self._socket)
        connection.request("GET", path)
        reply = connection.getresponse()
        found = json.loads(reply.read())
        connection.close()
        return found

    def inspect(self, container: str) -> Any:
        """All that is known about a container."""
        return self.get(f"/containers/{container}/json")

    def cpu_s(self, container: str) -> float:
        """Processor seconds of a container so far, health checks included."""
        return (
            float(self.get(f"/containers/{container}/stats?stream=false")["cpu_stats"]["cpu_usage"]["total_usage"])
            / 1e9
        )

    def _run(self, command: list[str], environ: Mapping[str, str], *, check: bool) -> str:
        done = subprocess.run(
            command, env={**self.environ, **environ}, capture_output=True, text=True, timeout=1_200, check=False
        )
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        return done.stdout if check else done.stdout + done.stderr


@contextmanager
def running(place: Path, compose: Sequence[str]) -> Iterator[Engine]:
    """Start an Engine whose every file is below `place`, and end it. We are in a network of our own already."""
    engine = Engine(place, compose)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    places = {"data-root": place / "data", "exec-root": place / "exec", "pidfile": place / "docker.pid"}
    options = [word for name, path in places.items() for word in (f"--{name}", str(path))]
    with (place / "dockerd.log").open("wb") as log:
        command = ["dockerd", "--host", f"unix://{place / 'docker.sock'}", *options]
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        engine.pid = process.pid
        _wait_until_ready(engine, process)
        yield engine
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()


def _wait_until_ready(engine: Engine, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            engine.get("/version")
        except (OSError, http.client.HTTPException):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("dockerd does not start: look into dockerd.log") from None
            time.sleep(0.2)
        else:
            return
