"""The HTTP request of a check, and the request that a redirect leads to. Pure."""

from base64 import b64encode

from msgspec import Struct
from msgspec.structs import replace
from yarl import URL

from actors.probes.http.cookies import CookieJar
from app.domain.parsing.web_url import parse_url, resolve_redirect
from schema.targets import Http, HttpBasicAuth, HttpBearerAuth, Method
from schema.targets.http import Encoding

REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})
CONTENT_TYPES = {
    Encoding.JSON: "application/json",
    Encoding.FORM: "application/x-www-form-urlencoded",
    Encoding.XML: "application/xml; charset=utf-8",
    Encoding.TEXT: "text/plain; charset=utf-8",
}
CONTENT_TYPE = ("Content-Type",)
BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})  # aiohttp adds a Content-Type to these, even without a body
SAFE_HEADERS = frozenset({"accept", "accept-language", "content-type", "user-agent"})  # safe for any host


class HttpRequest(Struct, frozen=True):
    """One request. Headers are the monitor's own; the session adds the defaults."""

    method: str
    url: URL
    headers: dict[str, str] | None = None
    body: bytes | None = None


def initial_request(target: Http) -> HttpRequest:
    """The monitor's request. Raises ValueError for an invalid URL."""
    headers = None
    if target.headers or target.auth or target.encoding:
        headers = {**_content_type(target), **target.headers, **_authorization(target.auth)}
    return HttpRequest(
        target.method.value, parse_url(target.url), headers, target.body.encode() if target.body else None
    )


def with_header(request: HttpRequest, name: str, value: str) -> HttpRequest:
    """The request with one more header."""
    return replace(request, headers={**(request.headers or {}), name: value})


def with_cookies(request: HttpRequest, cookies: CookieJar) -> HttpRequest:
    """The request with these cookies, which include the monitor's own."""
    headers = {name: value for name, value in (request.headers or {}).items() if name.lower() != "cookie"}
    cookie_header = cookies.header_for(request.url)
    return replace(request, headers=headers | ({"Cookie": cookie_header} if cookie_header else {}))


def own_cookie_header(request: HttpRequest) -> str:
    """The `Cookie` header that the monitor sets itself."""
    return next((value for name, value in (request.headers or {}).items() if name.lower() == "cookie"), "")


def redirected_request(request: HttpRequest, status: int, location: str) -> HttpRequest:
    """The request after a redirect. Another origin gets no header that could be a credential.

    raises    ValueError when `location` is not an http address
    """
    url = resolve_redirect(request.url, location)
    headers = request.headers if is_same_origin(request.url, url) else _safe_headers(request.headers)
    if _becomes_get(status, request.method):
        return HttpRequest(Method.GET.value, url, _without_content(headers))
    return HttpRequest(request.method, url, headers, request.body)


def _content_type(target: Http) -> dict[str, str]:
    return {"Content-Type": CONTENT_TYPES[target.encoding]} if target.encoding and target.body else {}


def _authorization(auth: object) -> dict[str, str]:
    if isinstance(auth, HttpBearerAuth):
        return {"Authorization": f"Bearer {auth.token}"}
    if isinstance(auth, HttpBasicAuth):
        return basic_auth_header(auth.username, auth.password)
    return {}


def basic_auth_header(username: str, password: str) -> dict[str, str]:
    """The `Authorization` header of RFC 7617."""
    return {"Authorization": f"Basic {b64encode(f'{username}:{password}'.encode()).decode('ascii')}"}


def _becomes_get(status: int, method: str) -> bool:
    """RFC 9110, 15.4: 303 always; 301 and 302 after a POST, as in browsers."""
    if status == 303:  # noqa: PLR2004  # See Other
        return method != Method.HEAD
    return status in {301, 302} and method == Method.POST


def is_same_origin(old: URL, new: URL) -> bool:
    """The same origin, or the same host upgraded from http to https on the default ports."""
    upgraded = (old.scheme, old.port, new.scheme, new.port) == ("http", 80, "https", 443)
    return old.host == new.host and (upgraded or (old.scheme, old.port) == (new.scheme, new.port))


def _safe_headers(headers: dict[str, str] | None) -> dict[str, str] | None:
    return headers and {name: value for name, value in headers.items() if name.lower() in SAFE_HEADERS}


def _without_content(headers: dict[str, str] | None) -> dict[str, str] | None:
    return headers and {name: value for name, value in headers.items() if not name.lower().startswith("content-")}
