"""Sends one message by one of Apprise's services."""

import logging
from importlib import import_module
from typing import Any

from apprise import Apprise, AppriseAsset, NotifyFormat, NotifyType
from apprise.plugins.base import NotifyBase

from actors.apprise_sandbox import restrictions
from actors.apprise_sandbox.protocol import SendRequest, SendResult

LOG_LINES, LOG_LINE_LENGTH = 5, 500  # of Apprise's log, the newest; characters of each
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
    image_url_mask=None,  # images from a third party would reveal who reads our messages
    image_url_logo=None,
    image_path_mask=None,
)


class LogCapture(logging.Handler):
    """Keeps the last warnings."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one record."""
        self.lines = [*self.lines, record.getMessage()[:LOG_LINE_LENGTH]][-LOG_LINES:]


def send_message(request: SendRequest) -> SendResult:
    """Send a message; returns the result, including any error that the service raised."""
    capture = LogCapture()
    logger = logging.getLogger("apprise")
    logger.addHandler(capture)
    restrictions.denied.clear()
    try:
        result = _send(request)
    except Exception as error:  # noqa: BLE001  # third-party services raise anything
        result = SendResult(error=f"Apprise failed ({type(error).__name__})")
    finally:
        logger.removeHandler(capture)
    return SendResult(
        result.sent, result.error, result.targets, capture.lines, list(dict.fromkeys(restrictions.denied))
    )


def _send(request: SendRequest) -> SendResult:
    service = plugin_for_url(request.module, request.url)
    if service is None:
        return SendResult(error=UNREADABLE)
    if len(service) != 1:
        return SendResult(targets=len(service))
    service.request_rate_per_sec = 0  # the worker decides the rate
    service.retry = 0  # and the retries
    sender = Apprise(asset=ASSET)
    sender.add(service)
    body_format, title, text = choose_rendering(request, service)
    notify_type = NotifyType(request.notify_type)
    return SendResult(
        sent=bool(sender.notify(body=text, title=title, notify_type=notify_type, body_format=body_format))
    )


def choose_rendering(request: SendRequest, service: NotifyBase) -> tuple[NotifyFormat, str, str]:
    """(the service's own format, the title and the text in it): Apprise converts nothing then.

    Of several formats, plain text is the one chosen, unless the address asks for another.
    """
    body_format = service.resolve_format("text")
    rendering = request.renderings[body_format.value]
    return body_format, request.title if service.title_maxlen > 0 else rendering.first_line, rendering.text


def plugin_for_url(module: str, url: str) -> NotifyBase | None:
    """The service for a URL; None when the service can't parse it."""
    kind = plugin_class(module, url.partition("://")[0].lower())
    parts = kind.parse_url(url) if kind else None
    if kind is None or not parts:
        return None
    try:
        service: NotifyBase = kind(**parts, asset=ASSET)
    except TypeError:  # Apprise raises it for invalid fields
        return None
    return service


def plugin_class(module: str, scheme: str) -> type[Any] | None:
    """The service class of a module for a scheme. Loads only that module: all of them take seconds."""
    for one in vars(import_module(f"apprise.plugins.{module}")).values():
        if isinstance(one, type) and issubclass(one, NotifyBase) and scheme in plugin_schemes(one):
            return one
    return None


def plugin_schemes(kind: type[Any]) -> list[str]:
    """The URL schemes of a service, those with TLS first."""
    found: list[str] = []
    for one in (kind.secure_protocol, kind.protocol):
        found += [one] if isinstance(one, str) else list(one or ())
    return list(dict.fromkeys(found))
