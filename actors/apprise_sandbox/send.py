"""Tells one message through one of Apprise's services."""

import logging
from importlib import import_module
from typing import Any

from apprise import Apprise, AppriseAsset
from apprise.plugins.base import NotifyBase

from actors.apprise_sandbox import restrictions
from actors.apprise_sandbox.protocol import Done, Order

LINES, LINE = 5, 500  # of Apprise's log, newest kept; characters of each
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


class Lines(logging.Handler):
    """The last warnings."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.kept: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one."""
        self.kept = [*self.kept, record.getMessage()[:LINE]][-LINES:]


def carry_out(order: Order) -> Done:
    """Tell it, and say what came of it. Whatever a service raises is part of that."""
    lines = Lines()
    logger = logging.getLogger("apprise")
    logger.addHandler(lines)
    restrictions.held.clear()
    try:
        done = _told(order)
    except Exception as error:  # noqa: BLE001  # a hundred services, none of them ours
        done = Done(fault=f"Apprise failed ({type(error).__name__})")
    finally:
        logger.removeHandler(lines)
    return Done(done.sent, done.fault, done.targets, lines.kept, list(dict.fromkeys(restrictions.held)))


def _told(order: Order) -> Done:
    service = plugin_of(order.module, order.url)
    if service is None:
        return Done(fault=UNREADABLE)
    if len(service) != 1:
        return Done(targets=len(service))
    service.request_rate_per_sec = 0  # how fast a channel is told is decided outside
    service.retry = 0  # and how often, too
    everybody = Apprise(asset=ASSET)
    everybody.add(service)
    return Done(
        sent=bool(everybody.notify(body=order.text, title=order.title, notify_type=order.mood, body_format="text"))
    )


def plugin_of(module: str, url: str) -> NotifyBase | None:
    """The service of that address; None when it does not understand it."""
    kind = class_of(module, url.partition("://")[0].lower())
    parts = kind.parse_url(url) if kind else None
    if kind is None or not parts:
        return None
    try:
        service: NotifyBase = kind(**parts, asset=ASSET)
    except TypeError:  # Apprise's word for fields that are not right
        return None
    return service


def class_of(module: str, scheme: str) -> type[Any] | None:
    """The service of a module that answers to the scheme. Loads that module only: all of them take seconds."""
    for one in vars(import_module(f"apprise.plugins.{module}")).values():
        if isinstance(one, type) and issubclass(one, NotifyBase) and scheme in schemes_of(one):
            return one
    return None


def schemes_of(kind: type[Any]) -> list[str]:
    """What its addresses begin with, those with TLS first."""
    found: list[str] = []
    for one in (kind.secure_protocol, kind.protocol):
        found += [one] if isinstance(one, str) else list(one or ())
    return list(dict.fromkeys(found))
