"""The request of a check, and what becomes of it at a redirect. Pure."""

from base64 import b64encode

from msgspec import Struct
from msgspec.structs import replace
from yarl import URL

from actors.probes.http.cookies import Cookies
from app.domain.parsing.web_url import redirected, web_url
from schema.targets import Http, HttpBasicAuth, HttpBearerAuth, Method
from schema.targets.http import Encoding

REDIRECTS = frozenset({301, 302, 303, 307, 308})
CONTENT_TYPES = {
    Encoding.JSON: "application/json",
    Encoding.FORM: "application/x-www-form-urlencoded",
    Encoding.XML: "application/xml; charset=utf-8",
    Encoding.TEXT: "text/plain; charset=utf-8",
}
CONTENT_TYPE = ("Content-Type",)
WITH_BODY = frozenset({"POST", "PUT", "PATCH"})  # aiohttp adds a Content-Type to these, even without a body
REFERABLE = frozenset({"accept", "accept-language", "content-type", "user-agent"})  # what any host may be told


class Request(Struct, frozen=True):
    """One request. Headers are the monitor's own; the session adds the everyday ones."""

    method: str
    url: URL
    headers: dict[str, str] | None = None
    body: bytes | None = None


def first(target: Http) -> Request:
    """What the monitor asks for. Raises ValueError for a URL that is none."""
    headers = None
    if target.headers or target.auth or target.encoding:
        headers = {**_kind_of(target), **target.headers, **_authorization(target.auth)}
    return Request(target.method.value, web_url(target.url), headers, target.body.encode() if target.body else None)


def with_header(request: Request, name: str, value: str) -> Request:
    """The same request, with one more header of the monitor's own."""
    return replace(request, headers={**(request.headers or {}), name: value})


def with_cookies(request: Request, cookies: Cookies) -> Request:
    """The same request with these cookies, the monitor's own among them."""
    headers = {name: value for name, value in (request.headers or {}).items() if name.lower() != "cookie"}
    sent = cookies.header_for(request.url)
    return replace(request, headers=headers | ({"Cookie": sent} if sent else {}))


def own_cookies(request: Request) -> str:
    """What the monitor sends as cookies of its own."""
    return next((value for name, value in (request.headers or {}).items() if name.lower() == "cookie"), "")


def after(asked: Request, status: int, location: str) -> Request:
    """Where a redirect leads. Another origin gets no header that could be a credential.

    raises    ValueError when `location` is no http address
    """
    url = redirected(asked.url, location)
    headers = asked.headers if same_owner(asked.url, url) else _referable(asked.headers)
    if _becomes_get(status, asked.method):
        return Request(Method.GET.value, url, _without_content(headers))
    return Request(asked.method, url, headers, asked.body)


def _kind_of(target: Http) -> dict[str, str]:
    return {"Content-Type": CONTENT_TYPES[target.encoding]} if target.encoding and target.body else {}


def _authorization(auth: object) -> dict[str, str]:
    if isinstance(auth, HttpBearerAuth):
        return {"Authorization": f"Bearer {auth.token}"}
    if isinstance(auth, HttpBasicAuth):
        return basic(auth.username, auth.password)
    return {}


def basic(username: str, password: str) -> dict[str, str]:
    """The header of RFC 7617."""
    return {"Authorization": f"Basic {b64encode(f'{username}:{password}'.encode()).decode('ascii')}"}


def _becomes_get(status: int, method: str) -> bool:
    """RFC 9110, 15.4: 303 always; 301 and 302 after a POST, as every browser does."""
    if status == 303:  # noqa: PLR2004  # See Other
        return method != Method.HEAD
    return status in {301, 302} and method == Method.POST


def same_owner(old: URL, new: URL) -> bool:
    """The same origin, or the same host moved from http to https on the usual ports."""
    upgraded = (old.scheme, old.port, new.scheme, new.port) == ("http", 80, "https", 443)
    return old.host == new.host and (upgraded or (old.scheme, old.port) == (new.scheme, new.port))


def _referable(headers: dict[str, str] | None) -> dict[str, str] | None:
    return headers and {name: value for name, value in headers.items() if name.lower() in REFERABLE}


def _without_content(headers: dict[str, str] | None) -> dict[str, str] | None:
    return headers and {name: value for name, value in headers.items() if not name.lower().startswith("content-")}
