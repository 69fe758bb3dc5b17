"""The cookies of one check (RFC 6265): what a site sets during redirects is sent back to it, and then forgotten."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from msgspec import Struct
from yarl import URL

MAX_COOKIES, MAX_COOKIE_CHARS = 50, 4_096  # cookies of one check; characters of one cookie
MAX_HEADER_CHARS = 16_384  # of the cookies in one request
_MAX_AGE = re.compile(r"-?[0-9]{1,15}")


class Cookie(Struct, frozen=True):
    """One cookie and its scope.

    origin     scheme, host and port of the site that set it
    domain     whose hosts get it; empty: only the one that set it
    """

    name: str
    value: str
    origin: tuple[str, str, int]
    domain: str
    path: str
    secure: bool


class CookieJar:
    """The cookies of one check, oldest first. They go to the origin that set them, from http to https of the same host,
    and with a `Domain` to the other hosts in it.
    """

    def __init__(self, url: URL, monitor_cookies: str = "") -> None:
        """Start with the monitor's own cookies, in the form of a `Cookie` header."""
        self._kept: dict[tuple[str, str, str], Cookie] = {}
        for pair in monitor_cookies.split(";"):
            name, equals, value = pair.strip().partition("=")
            if equals:
                self._store(Cookie(name, value, _origin(url), "", "/", secure=False))

    def update(self, url: URL, headers: Iterable[str]) -> None:
        """Apply the `Set-Cookie` headers of a response from this address."""
        for header in headers:
            if len(header) <= MAX_COOKIE_CHARS and (found := _parse(header, url)):
                cookie, is_expired = found
                if is_expired:
                    self._kept.pop(_key(cookie), None)
                else:
                    self._store(cookie)

    def header_for(self, url: URL) -> str:
        """The `Cookie` header for this address; empty when there is none."""
        sent = sorted((one for one in self._kept.values() if _is_sent_to(one, url)), key=lambda one: -len(one.path))
        pairs = [f"{one.name}={one.value}" for one in sent]
        while sum(len(pair) + 2 for pair in pairs) > MAX_HEADER_CHARS:
            pairs.pop()
        return "; ".join(pairs)

    def _store(self, cookie: Cookie) -> None:
        self._kept[_key(cookie)] = cookie
        if len(self._kept) > MAX_COOKIES:
            del self._kept[next(iter(self._kept))]


def _parse(header: str, url: URL) -> tuple[Cookie, bool] | None:
    """A cookie and whether it is already expired; None for an invalid one, or one that this address may not set."""
    pair, *rest = header.split(";")
    name, equals, value = (part.strip() for part in pair.partition("="))
    attributes = {key.strip().lower(): text.strip() for key, _, text in (one.partition("=") for one in rest)}
    domain = attributes.get("domain", "").lstrip(".").lower()
    host = url.raw_host or ""
    if not equals or not name or not pair.isprintable() or (domain and not _domain_matches(host, domain)):
        return None
    path = attributes.get("path", "")
    if not path.startswith("/"):
        path = url.raw_path.rpartition("/")[0] or "/"
    cookie = Cookie(name, value, _origin(url), "" if domain == host else domain, path, "secure" in attributes)
    return cookie, _is_expired(attributes)


def _is_expired(attributes: dict[str, str]) -> bool:
    """Whether the cookie expires at once, which deletes it."""
    if _MAX_AGE.fullmatch(attributes.get("max-age", "")):
        return int(attributes["max-age"]) <= 0
    try:
        ends_at = parsedate_to_datetime(attributes.get("expires", ""))
    except (ValueError, IndexError):
        return False
    return ends_at.replace(tzinfo=ends_at.tzinfo or UTC) <= datetime.now(UTC)


def _origin(url: URL) -> tuple[str, str, int]:
    return url.scheme, url.raw_host or "", url.port or 0


def _key(cookie: Cookie) -> tuple[str, str, str]:
    return cookie.name, cookie.domain or cookie.origin[1], cookie.path


def _domain_matches(host: str, domain: str) -> bool:
    """Whether a host is in a domain of more than one label; an IP address is only in itself."""
    return host == domain or ("." in domain and host.endswith(f".{domain}") and not host[-1].isdigit())


def _is_sent_to(cookie: Cookie, url: URL) -> bool:
    scheme, host, port = cookie.origin
    host_matches = _domain_matches(url.raw_host or "", cookie.domain) if cookie.domain else url.raw_host == host
    origin_matches = (url.scheme, url.port) in {(scheme, port)} | (
        {("https", 443)} if (scheme, port) == ("http", 80) else set()
    )
    path = cookie.path.rstrip("/")
    path_matches = url.raw_path == path or url.raw_path.startswith(f"{path}/")
    return host_matches and origin_matches and path_matches and (url.scheme == "https" or not cookie.secure)
