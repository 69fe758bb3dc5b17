"""Logging: structlog and the standard library's loggers through one formatter, with secrets masked.

JSON lines with MODE=prod, readable lines otherwise; on standard output, or in LOG_FILE, which may be rotated at any
time. Event names are constants, `area.what_happened`; everything that varies is a field. Logging never raises: a line
that can't be written is counted.
"""

import json
import logging
import re
import sys
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any

import msgspec
import structlog
from structlog.typing import Processor

from app import log_output
from app.settings import Settings

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}
MASK = "********"
# Libraries that log at INFO what one of our lines already says.
NOISY_LOGGERS = ("aiosqlite", "asyncio", "dramatiq", "hpack", "httpcore", "httpx")

_SECRET_NAME = re.compile(
    r"pass(word|wd|phrase)?$|secret|token|authorization|cookie|api_?key|private_?key|credential", re.IGNORECASE
)
_SECRET_TEXT = re.compile(r"(?<=://)[^/\s@]+(?=@)|(?<=/bot)\d+:[\w-]{20,}|(?<=[Bb]earer )[\w.~+/-]{8,}=*")

Fields = MutableMapping[str, Any]


def configure(settings: Settings, process: str) -> None:
    """Configure all loggers of this process. Call once, at its entry.

    process  api, scheduler, worker …: a field of every line
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        _ProcessFields(settings.service_name, process),
        structlog.processors.format_exc_info,
        mask_fields,
    ]
    handler = _build_handler(settings)
    handler.setFormatter(_build_formatter(settings, shared))
    logging.basicConfig(handlers=[handler], level=LEVELS[settings.log_level], force=True)
    logging.captureWarnings(capture=True)
    for name in NOISY_LOGGERS:
        logging.getLogger(name).setLevel(max(logging.WARNING, LEVELS[settings.log_level]))
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=_never_raising(structlog.make_filtering_bound_logger(LEVELS[settings.log_level])),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    sys.excepthook = _log_uncaught


def mask_fields(_logger: Any, _method: str, fields: Fields) -> Fields:
    """Mask values with secret names, and credentials inside of any text."""
    return {name: _mask(name, value) for name, value in fields.items()}


def _mask(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {inner: _mask(str(inner), one) for inner, one in value.items()}
    if isinstance(value, list | tuple):
        return [_mask(name, one) for one in value]
    if _SECRET_NAME.search(name):
        return MASK
    return _SECRET_TEXT.sub(MASK, value) if isinstance(value, str) else value


class _ProcessFields:
    """Adds the service and the process."""

    def __init__(self, service: str, process: str) -> None:
        self._fields = {"service": service, "process": process}

    def __call__(self, _logger: Any, _method: str, fields: Fields) -> Fields:
        return {**fields, **self._fields}


def _never_raising(filtering: Any) -> Any:
    """A logger class that never raises, whatever its processors do."""

    class Steady(filtering):  # type: ignore[misc]  # structlog creates the class at run time
        """The same logger without exceptions."""

        def _proxy_to_logger(self, method_name: str, event: str | None = None, *args: Any, **fields: Any) -> Any:
            try:
                return super()._proxy_to_logger(method_name, event, *args, **fields)
            except Exception as error:  # noqa: BLE001  # whatever a value raises when it is formatted
                log_output.count_lost_line(f"{event} can't be logged", error)

    return Steady


def _build_handler(settings: Settings) -> logging.Handler:
    if settings.log_file is None:
        return log_output.LineHandler(log_output.Terminal())
    return log_output.LineHandler(log_output.LogFile(settings.log_file))


def _build_formatter(settings: Settings, shared: list[Processor]) -> logging.Formatter:
    colors = settings.log_file is None and sys.stdout.isatty()
    last: Processor = structlog.dev.ConsoleRenderer(colors=colors, timestamp_key="time")
    if settings.mode == "prod":
        last = structlog.processors.JSONRenderer(serializer=_encode_json)
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
    )


def _encode_json(fields: Fields, **_: Any) -> str:
    try:
        return msgspec.json.encode(fields, enc_hook=str).decode()
    except Exception:  # noqa: BLE001  # half a surrogate pair, a number beyond 64 bits, a value without text
        return json.dumps({_safe_text(name): _safe_text(value) for name, value in fields.items()})


def _safe_text(value: Any) -> str:
    try:
        return str(value)
    except Exception as error:  # noqa: BLE001  # from a foreign `__str__`
        return f"<{type(value).__name__}: {type(error).__name__}>"


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Log the exception that ends the process."""
    if issubclass(kind, KeyboardInterrupt):
        return
    structlog.get_logger().critical("process.crashed", exc_info=(kind, error, trace))
