"""Tells one message through one of Apprise's services."""

import logging
from importlib import import_module
from typing import Any

from apprise import Apprise, AppriseAsset
from apprise.plugins.base import NotifyBase

from actors.apprise_sandbox import restrictions
from actors.apprise_sandbox.protocol import SendRequest, SendResult

LOG_LINES, LOG_LINE_LENGTH = 5, 500  # of Apprise's log, newest kept; characters of each
UNREADABLE = "the address is not one that the service understands"
ASSET = AppriseAsset(
    app_id="Watchkeeper",
    app_desc="Watchkeeper",
    async_mode=False,
    secure_logging=True,
    storage_mode="memory",
    allow_templates=False,
    http_redirects=False,
    plugin_paths=[],
    image_url_mask=None,  # pictures from somebody else's server tell it who reads our messages
    image_url_logo=None,
    image_path_mask=None,
)


class LogCapture(logging.Handler):
    """The last warnings."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one."""
        self.lines = [*self.lines, record.getMessage()[:LOG_LINE_LENGTH]][-LOG_LINES:]


def send_message(request: SendRequest) -> SendResult:
    """Tell it, and say what came of it. Whatever a service raises is part of that."""
    lines = LogCapture()
    logger = logging.getLogger("apprise")
    logger.addHandler(lines)
    restrictions.denied.clear()
    try:
        done = _send(request)
    except Exception as error:  # noqa: BLE001  # a hundred services, none of them ours
        done = SendResult(error=f"Apprise failed ({type(error).__name__})")
    finally:
        logger.removeHandler(lines)
    return SendResult(done.sent, done.error, done.targets, lines.lines, list(dict.fromkeys(restrictions.denied)))


def _send(order: SendRequest) -> SendResult:
    service = plugin_for_url(order.module, order.url)
    if service is None:
        return SendResult(error=UNREADABLE)
    if len(service) != 1:
        return SendResult(targets=len(service))
    service.request_rate_per_sec = 0  # how fast a channel is told is decided outside
    service.retry = 0  # and how often, too
    everybody = Apprise(asset=ASSET)
    everybody.add(service)
    return SendResult(
        sent=bool(
            everybody.notify(body=order.text, title=order.title, notify_type=order.notify_type, body_format="text")
        )
    )


def plugin_for_url(module: str, url: str) -> NotifyBase | None:
    """The service of that address; None when it does not understand it."""
    kind = plugin_class(module, url.partition("://")[0].lower())
    parts = kind.parse_url(url) if kind else None
    if kind is None or not parts:
        return None
    try:
        service: NotifyBase = kind(**parts, asset=ASSET)
    except TypeError:  # Apprise's word for fields that are not right
        return None
    return service


def plugin_class(module: str, scheme: str) -> type[Any] | None:
    """The service of a module that answers to the scheme. Loads that module only: all of them take seconds."""
    for one in vars(import_module(f"apprise.plugins.{module}")).values():
        if isinstance(one, type) and issubclass(one, NotifyBase) and scheme in plugin_schemes(one):
            return one
    return None


def plugin_schemes(kind: type[Any]) -> list[str]:
    """What its addresses begin with, those with TLS first."""
    found: list[str] = []
    for one in (kind.secure_protocol, kind.protocol):
        found += [one] if isinstance(one, str) else list(one or ())
    return list(dict.fromkeys(found))
