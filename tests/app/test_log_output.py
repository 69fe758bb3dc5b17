"""Failures of the log's destination, or odd values in a line, never disturb the code that logs."""

import json
import logging
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import structlog

from app import log
from app.log_output import LINES_LOST, LineHandler
from app.settings import Settings


class Wordless:
    """A value without a representation."""

    def __str__(self) -> str:
        raise LookupError("no words")

    __repr__ = __str__


class BrokenError(Exception):
    """An exception whose text raises."""

    def __str__(self) -> str:
        raise LookupError("no words")


ENDLESS: list[object] = []
ENDLESS.append(ENDLESS)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "wk.log"


@pytest.fixture(params=["prod", "test"])
def written(request: pytest.FixtureRequest, settings: Settings, path: Path) -> Iterator[Path]:
    """Lines of both forms go to this file."""
    log.configure(replace(settings, mode=request.param, log_file=path, log_level="info"), "worker")
    yield path
    logging.basicConfig(handlers=[logging.NullHandler()], force=True)
    structlog.reset_defaults()


def let_nobody_else_listen() -> None:
    """pytest's own handlers raise what a value raises."""
    for one in logging.getLogger().handlers[:]:
        if not isinstance(one, LineHandler):
            logging.getLogger().removeHandler(one)


def lost() -> float:
    return LINES_LOST._value.get()


def remove(path: Path) -> None:
    shutil.rmtree(path.parent)


def put_a_file_there(path: Path) -> None:
    remove(path)
    path.parent.write_text("in the way")


def put_a_directory_there(path: Path) -> None:
    path.unlink()
    path.mkdir()


def fill_the_disk(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/full")


@pytest.mark.parametrize(
    ("mishap", "cause"),
    [
        (put_a_file_there, "Not a directory"),
        (put_a_directory_there, "Is a directory"),
        (fill_the_disk, "No space left on device"),
    ],
)
def test_an_outage_is_counted_logged_once_with_its_cause_and_ends_with_it(
    written: Path, mishap, cause: str, capfd: pytest.CaptureFixture[str]
) -> None:
    ours = structlog.get_logger()
    ours.info("before.it")
    before = lost()
    mishap(written)
    for _ in range(5):
        ours.info("during.it")
        logging.getLogger("some.library").warning("during it")
    assert lost() - before == 10
    message = f"watchkeeper: the log can't be written to; lines are lost until it can: {cause}\n"
    assert capfd.readouterr().err == message
    remove(written) if written.parent.is_dir() else written.parent.unlink()
    ours.info("after.it")
    assert "after.it" in written.read_text()


def test_a_directory_that_goes_away_is_made_again(written: Path) -> None:
    structlog.get_logger().info("before.it")
    remove(written)
    structlog.get_logger().info("after.it")
    assert "after.it" in written.read_text()


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (os.open("/", os.O_RDONLY), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_without_descriptors_lines_are_lost_and_nothing_else(written: Path) -> None:
    structlog.get_logger().info("before.it")
    before = lost()
    written.rename(written.with_suffix(".1"))
    with no_descriptor_left():
        structlog.get_logger().info("during.it")
    assert lost() - before == 1
    structlog.get_logger().info("after.it")
    assert "after.it" in written.read_text()


@pytest.mark.parametrize(
    "value",
    [
        "\ud800 half a letter",
        2**80,
        -(2**70),
        float("nan"),
        Wordless(),
        {Wordless(): 1},
        {(1, 2): "x"},
        ENDLESS,
        b"\xff",
        BrokenError(),
        {"deep": [Wordless()]},
        object(),
        {1, 2},
        "\x00\x1b[31m",
    ],
    ids=lambda one: type(one).__name__,
)
def test_logging_any_field_raises_nothing(written: Path, value: object) -> None:
    let_nobody_else_listen()
    ours, before = structlog.get_logger(), lost()
    ours.info("odd.value", value=value)
    ours.warning("odd.error", exc_info=value if isinstance(value, BaseException) else None)
    logging.getLogger("some.library").warning("odd: %s", value)
    ours.info("after.it")
    text = written.read_text()
    assert "after.it" in text
    assert lost() > before or "odd.value" in text


def test_arguments_that_do_not_fit_their_text_end_nothing(written: Path) -> None:
    let_nobody_else_listen()
    logging.getLogger("some.library").warning("%d of %d", *["one"])
    structlog.get_logger().info("after.it")
    assert "after.it" in written.read_text()


def test_values_json_cannot_encode_are_logged_as_valid_json(settings: Settings, path: Path) -> None:
    log.configure(replace(settings, mode="prod", log_file=path, log_level="info"), "worker")
    structlog.get_logger().info("odd.value", value="\ud800", n=2**80, one=Wordless())
    logging.basicConfig(handlers=[logging.NullHandler()], force=True)
    structlog.reset_defaults()
    line = json.loads(path.read_text())
    assert (line["event"], line["n"], line["one"]) == ("odd.value", str(2**80), "<Wordless: LookupError>")


SPEAKS = """
import sys
from dataclasses import replace
from pathlib import Path
import structlog
from app import log, settings
log.configure(replace(settings.read_settings({"DATA_DIR": sys.argv[1]}, Path(sys.argv[1])), log_level="info"), "worker")
for number in range(200):
    structlog.get_logger().info("some.event", number=number)
    sys.stdin.readline() if number == 0 else None
Path(sys.argv[1], "done").touch()
"""


def test_a_closed_pipe_stops_no_process(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SPEAKS, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdin
    assert process.stdout
    assert process.stderr
    assert b"some.event" in process.stdout.readline()
    process.stdout.close()
    process.stdin.write(b"\n")
    process.stdin.close()
    output = process.stderr.read().decode()
    process.stderr.close()
    assert (process.wait(), (tmp_path / "done").exists()) == (0, True), output
    assert output.count("the log can't be written to") == 1
