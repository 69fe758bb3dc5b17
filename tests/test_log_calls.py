"""The reader of log events finds every way to log, and refuses unreadable calls."""

import pytest

from tests.log_calls import UnreadableEventError, read_events

MADE = "import structlog\nlog = structlog.get_logger()\n"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('log.info("check.done", n=1)', {"check.done": {"info"}}),
        ('log.exception("check.crashed")', {"check.crashed": {"error"}}),
        ('structlog.get_logger().critical("process.crashed")', {"process.crashed": {"critical"}}),
        ('DONE = "check.done"\nlog.debug(DONE)', {"check.done": {"debug"}}),
        ('log.error("check.late" if late else "check.done")', {"check.late": {"error"}, "check.done": {"error"}}),
        (
            'def f():\n write = log.debug if quiet else log.info\n write("check.done")',
            {"check.done": {"debug", "info"}},
        ),
        ('log.info("check.done")\nlog.warning("check.done")', {"check.done": {"info", "warning"}}),
        ('parser.error("no such command")', {}),
    ],
)
def test_every_way_to_log_is_found(source: str, found: dict[str, set[str]]) -> None:
    assert read_events(MADE + source) == found


@pytest.mark.parametrize(
    "source",
    [
        'log.info(f"check.{name}")',
        "def f(event):\n log.info(event)",
        'log.bind(node=1).info("check.done")',
        "run(log)",
        "run(log.info)",
        'from app.nodes import log as other\nother.info("check.done")',
    ],
)
def test_unreadable_log_calls_are_rejected(source: str) -> None:
    with pytest.raises(UnreadableEventError):
        read_events(MADE + source)
