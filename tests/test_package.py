"""The package `watchkeeper` leaves other packages alone, and works as the checkout does."""

import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import threading
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from uv import find_uv_bin

from app.api.alerting.providers import catalogue

TOP = Path(__file__).parents[1]
DOCS = "share/doc/watchkeeper"
LIBRARIES = Path(pytest.__file__).parents[1]  # where what we depend on is installed
FOLDERS = ("actors", "app", "migrations", "schema", "watchkeeper")
UNITS = sorted((TOP / "deploy" / "systemd").iterdir())
PASSWORD = "correct horse battery staple"
# A package that many have, as its wheel is: one module of the same name as one of our folders.
THEIRS = {
    "schema/__init__.py": "class Schema: ...\n",
    "schema-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: schema\nVersion: 1.0\n",
    "schema-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "schema-1.0.dist-info/RECORD": "schema/__init__.py,,\nschema-1.0.dist-info/METADATA,,\n"
    "schema-1.0.dist-info/WHEEL,,\nschema-1.0.dist-info/RECORD,,\n",
}


def build(source: Path, into: Path, *kinds: str) -> None:
    """Build from a source tree, without a network."""
    pytest.importorskip("hatchling", reason="hatchling is in requirements-dev.lock: `just test` installs it")
    targets = [word for kind in kinds for word in ("-t", kind)]
    subprocess.run([sys.executable, "-P", "-m", "hatchling", "build", *targets, "-d", into], cwd=source, check=True)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with our wheel and our sdist."""
    place = tmp_path_factory.mktemp("built")
    build(TOP, place, "sdist", "wheel")
    return place


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    return next(built.glob("*.whl"))


@pytest.fixture(scope="module")
def prefix(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with our wheel and a package called `schema`; what we need comes from where tests run."""
    place = tmp_path_factory.mktemp("installed") / "prefix"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True)
    theirs = place / "schema-1.0-py3-none-any.whl"
    with zipfile.ZipFile(theirs, "w") as made:
        for name, text in THEIRS.items():
            made.writestr(name, text)
    command = [find_uv_bin(), "pip", "install", "-q", "--offline", "--no-deps", "--no-cache"]
    subprocess.run([*command, "--python", place / "bin" / "python", wheel, theirs], check=True)
    next(place.glob("lib/python3.*/site-packages")).joinpath("needed.pth").write_text(f"{LIBRARIES}\n")
    return place


def test_the_wheel_has_one_package_and_its_documentation(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as opened:
        names = opened.namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name and ".data/" not in name} == {
        "watchkeeper"
    }
    assert {re.sub(r"^[^/]+\.data/data/", "", name)[: len(DOCS)] for name in names if ".data/" in name} == {DOCS}


def test_the_wheel_has_every_file_of_our_folders(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as opened:
        packed = {name for name in opened.namelist() if name.startswith("watchkeeper/")}
    ours = [path for folder in FOLDERS for path in (TOP / folder).rglob("*") if path.is_file()]
    packaged = {str(path.relative_to(TOP)) for path in ours if "__pycache__" not in path.parts}
    assert packed == {f"watchkeeper/{name.removeprefix('watchkeeper/')}" for name in packaged}


def test_the_sdist_has_all_it_takes_to_run_it_and_makes_the_same_wheel(built: Path, tmp_path: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as opened:
        opened.extractall(tmp_path, filter="data")
    source = next(tmp_path.iterdir())
    wanted = "Dockerfile compose.yaml justfile deploy/systemd deploy/logrotate docs tests bench README.md LICENSE"
    locks = [one.name for one in TOP.glob("requirements*")]
    assert [name for name in (*wanted.split(), *locks) if not (source / name).exists()] == []
    build(source, tmp_path / "again", "wheel")
    with (
        zipfile.ZipFile(next((tmp_path / "again").iterdir())) as again,
        zipfile.ZipFile(next(built.glob("*.whl"))) as first,
    ):
        assert sorted(again.namelist()) == sorted(first.namelist())


def test_a_package_called_schema_stays_what_it_is(prefix: Path) -> None:
    script = "from schema import Schema; import watchkeeper; print(Schema.__module__)"
    assert subprocess.check_output([prefix / "bin" / "python", "-P", "-c", script], text=True) == "schema\n"


@pytest.mark.parametrize("command", [["watchkeeper"], ["python", "-m", "watchkeeper"]])
def test_the_installed_command_runs_our_code_wherever_it_is_started(
    prefix: Path, tmp_path: Path, command: list[str]
) -> None:
    for name in ("app", "schema"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('somebody else')")
    ran = subprocess.check_output([prefix / "bin" / command[0], *command[1:], "--version"], cwd=tmp_path, text=True)
    assert ran.startswith("watchkeeper 0.")


def test_a_checkout_has_the_same_command() -> None:
    command = [sys.executable, "-m", "watchkeeper", "--version"]
    assert subprocess.check_output(command, cwd=TOP, text=True).startswith("watchkeeper 0.")


def test_pages_that_replies_name_are_installed(prefix: Path) -> None:
    named = {one.docs for one in catalogue().providers}
    assert [name for name in named if not (prefix / DOCS / name).is_file()] == []


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_pages_and_programs_that_units_name_are_installed(prefix: Path, unit: Path) -> None:
    named = re.findall(r"^(?:Documentation=file:|Exec\w+=)/opt/watchkeeper/(\S+)", unit.read_text(), re.MULTILINE)
    assert len(named) >= 2
    assert [name for name in named if not (prefix / name).is_file()] == []


@pytest.fixture
def up(prefix: Path, tmp_path: Path, free_port: int) -> Iterator[str]:
    """`watchkeeper up` of the installed wheel with everything of its own; yields the API's address."""
    command, environ = str(prefix / "bin" / "watchkeeper"), {"PATH": os.environ["PATH"], "SERVER_PORT": str(free_port)}
    with subprocess.Popen([command, "up"], cwd=tmp_path, env=environ, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        limit = threading.Timer(120, process.kill)  # a test's own timeout does not hold for what prepares it
        limit.daemon = True
        limit.start()
        assert any(line.startswith("ready ") for line in process.stdout)
        yield f"http://127.0.0.1:{free_port}/api/v1"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read().endswith("stopped    everything\n")
        limit.cancel()
    assert process.returncode == 0


def call(url: str, body: object = None, token: str = "") -> Any:
    head = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, head), timeout=30) as reply:
        return json.load(reply)


@pytest.mark.timeout(120)
def test_the_installed_wheel_checks_a_monitor(up: str, tmp_path: Path) -> None:
    person = {"email": "me@example.org", "password": PASSWORD}
    call(f"{up}/auth/register", {**person, "setup_token": (tmp_path / "data" / "setup.token").read_text().strip()})
    token = call(f"{up}/auth/login", person)["access_token"]
    drafted = {"name": "Ourselves", "type": "http", "config": {"url": f"{up}/health"}}
    monitor = call(f"{up}/monitors", drafted, token)["id"]
    deadline = time.monotonic() + 30
    while (status := call(f"{up}/monitors/{monitor}", token=token)["status"]) != 1:
        assert time.monotonic() < deadline, status
        time.sleep(0.2)
