"""Who may become the first user: whoever is at this machine, and from elsewhere who shows the set-up token."""

import hmac
from ipaddress import ip_address
from urllib.parse import urlsplit

from litestar.datastructures import Headers

from app import welcome
from app.errors import Forbidden
from app.settings import Settings

PASSED_ON = ("x-forwarded-", "x-real-ip", "forwarded", "via")  # how the names of proxies' headers begin
NEEDED = (
    "There is no user yet, and this request may come from outside: send the right `setup_token` as well."
    f" It is in the file {welcome.FILE} of the data directory."
)


def require(settings: Settings, headers: Headers, shown: str | None) -> None:
    """Raise Forbidden for who comes from outside without the token."""
    if not is_outside(settings, headers):
        return
    if not hmac.compare_digest((shown or "").encode(), welcome.token(settings).encode()):
        raise Forbidden(NEEDED)


def is_outside(settings: Settings, headers: Headers) -> bool:
    """Whether a request may come from elsewhere: others reach us, a proxy passed it on, or a strange page sent it."""
    if is_open(settings) or any(name.lower().startswith(PASSED_ON) for name in headers):
        return True
    origin = headers.get("Origin")
    return origin is not None and not _is_ours(urlsplit(origin).hostname, settings)


def is_open(settings: Settings) -> bool:
    """Whether others than this machine can reach the API."""
    return not _is_loopback(settings.server_host)


def _is_ours(host: str | None, settings: Settings) -> bool:
    return host is not None and (_is_loopback(host) or host == urlsplit(settings.client_url).hostname)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
