"""Lines that a query can use, and that hold no secret."""

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog

from app import log
from app.settings import Settings


@pytest.fixture
def lines(settings: Settings, tmp_path: Path) -> Iterator[Any]:
    """Every line written so far, decoded."""
    path = tmp_path / "logs" / "wk.log"
    log.configure(replace(settings, mode="prod", log_file=path, log_level="info"), "worker")
    yield lambda: [json.loads(line) for line in path.read_text().splitlines()]
    structlog.reset_defaults()
    logging.basicConfig(handlers=[logging.NullHandler()], force=True)


def test_a_line_is_its_event_and_its_fields(lines: Any) -> None:
    structlog.get_logger().info("check.done", n=3)
    (line,) = lines()
    assert {"event": "check.done", "n": 3, "level": "info", "process": "worker"}.items() <= line.items()
    assert line["time"].endswith("Z")


def test_lines_of_libraries_have_the_same_form(lines: Any) -> None:
    logging.getLogger("some.library").warning("%d tries", 2)
    assert [(line["event"], line["level"]) for line in lines()] == [("2 tries", "warning")]


def test_levels_below_the_configured_one_are_not_written(lines: Any) -> None:
    structlog.get_logger().debug("check.seen")
    logging.getLogger("some.library").debug("noise")
    assert lines() == []


def test_the_request_id_of_the_context_is_on_every_line(lines: Any) -> None:
    with structlog.contextvars.bound_contextvars(request_id="r-1"):
        structlog.get_logger().info("notify.sent")
    assert lines()[0]["request_id"] == "r-1"


def test_an_error_has_its_traceback_in_one_line(lines: Any) -> None:
    try:
        raise ValueError("redis://:hunter22@cache:6379/0 is gone")
    except ValueError:
        structlog.get_logger().exception("job.failed")
    assert "Traceback" in lines()[0]["exception"]
    assert "hunter22" not in json.dumps(lines())


@pytest.mark.parametrize(
    "fields",
    [
        {"password": "hunter22"},
        {"headers": {"Authorization": "hunter22"}},
        {"api_key": "hunter22"},
        {"channels": [{"bot_token": "hunter22"}]},
        {"url": "https://ada:hunter22@example.org/"},
        {"error": "GET https://api.telegram.org/bot12345:hunter22hunter22hunter22/sendMessage"},
        {"error": "sent Bearer hunter22hunter22"},
    ],
)
def test_no_secret_is_written(lines: Any, fields: dict[str, Any]) -> None:
    structlog.get_logger().warning("sender.failed", **fields)
    assert "hunter22" not in json.dumps(lines())
    assert log.MASK in json.dumps(lines())


@pytest.mark.parametrize("fields", [{"n_passed": 3}, {"pass_rate": "x"}, {"url": "https://example.org/a@b"}])
def test_fields_that_only_resemble_secrets_are_not_masked(lines: Any, fields: dict[str, Any]) -> None:
    structlog.get_logger().info("check.done", **fields)
    assert fields.items() <= lines()[0].items()


def test_a_rotated_file_is_opened_anew(lines: Any, tmp_path: Path) -> None:
    structlog.get_logger().info("first.line")
    (tmp_path / "logs" / "wk.log").rename(tmp_path / "logs" / "wk.log.1")
    structlog.get_logger().info("second.line")
    assert [line["event"] for line in lines()] == ["second.line"]
