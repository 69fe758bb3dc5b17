"""HTTP URLs that are sent byte for byte as they were written. Pure.

The spelling of a URL matters: `%2F` is not `/`, and a signature is valid for one spelling only. Only characters that
are not allowed in URLs (RFC 3986, 2) are percent-encoded.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

from yarl import URL

from app.domain.parsing.hosts import wire_authority

MAX_CHARS = 65_536  # of the target of a redirect
_PARTS = re.compile(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):)?(?://(?P<host>[^/?#]*))?(?P<path>[^?#]*)(?:\?(?P<query>[^#]*))?(?:#.*)?",
    re.DOTALL,
)
_FORBIDDEN = re.compile(r"""[^!#$&'()*+,\-./0-9:;=?@A-Z\[\]_a-z~%]|%(?![0-9A-Fa-f]{2})""")
_WEB_SCHEMES = frozenset({"http", "https"})


@lru_cache(maxsize=16_384)
def parse_url(text: str) -> URL:
    """The URL without its fragment, cached once per monitor. Raises ValueError for an invalid one."""
    scheme, host, path, query = _parts(text)
    if not scheme or not host:
        raise ValueError("an address needs a scheme and a host")
    return _build_url(scheme, host, path, query)


def resolve_redirect(base: URL, location: str) -> URL:
    """The URL of a `Location` header (RFC 3986, 5.2), without credentials. Raises ValueError for an invalid one."""
    scheme, host, path, query = _parts(location.replace("\t", ""))  # as browsers do
    new_scheme = (scheme or base.scheme).lower()
    if (
        len(location) > MAX_CHARS
        or new_scheme not in _WEB_SCHEMES
        or (host is None and new_scheme != base.scheme)
        or host == ""
    ):
        raise ValueError("not a web address")
    if host is not None:
        return _build_url(new_scheme, host.rpartition("@")[2], _remove_dot_segments(path), query)
    origin = base.host_port_subcomponent or ""
    old_path, _, old_query = base.raw_path_qs.partition("?")
    if not path:
        return _build_url(base.scheme, origin, old_path, old_query if query is None else query)
    absolute = path if path.startswith("/") else f"{old_path.rpartition('/')[0]}/{path}"
    return _build_url(base.scheme, origin, _remove_dot_segments(absolute), query)


def with_query(text: str, fields: Mapping[str, str]) -> str:
    """The URL with these fields in its query; they replace fields of the same names."""
    address, _, query = text.partition("#")[0].partition("?")
    others = [field for field in query.split("&") if field and field.partition("=")[0] not in fields]
    return f"{address}?{'&'.join([*others, URL.build(query=dict(fields)).raw_query_string])}"


def _parts(text: str) -> tuple[str | None, str | None, str, str | None]:
    found = _PARTS.fullmatch(text)
    if found is None:
        raise ValueError("not an address")
    return found["scheme"], found["host"], found["path"], found["query"]


def _build_url(scheme: str, host: str, path: str, query: str | None) -> URL:
    """A URL with a normalised host; the rest stays as written."""
    origin = URL(f"{scheme}://{wire_authority(host)}")
    if not origin.raw_host:
        raise ValueError("an address needs a host")
    path = _escaped(path) or "/"
    if query == "":
        path, query = f"{path}?", None  # yarl would drop an empty query
    query = _escaped(query or "")
    return URL.build(scheme=origin.scheme, authority=origin.raw_authority, path=path, query_string=query, encoded=True)


def _escaped(text: str) -> str:
    return _FORBIDDEN.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "replace")), text)


def _remove_dot_segments(path: str) -> str:
    """The path without `.` and `..` (RFC 3986, 5.2.4)."""
    output: list[str] = []
    segments = path.split("/")
    for segment in segments:
        if segment == "..":
            del output[max(1, len(output) - 1) :]  # the first segment is the empty text before the root
        elif segment != ".":
            output.append(segment)
    if segments[-1] in {".", ".."}:
        output.append("")
    return "/".join(output)
