"""Addresses of the web as they go over the wire: byte for byte as they were written. Pure.

An address is somebody else's data: `%2F` is not `/`, and a signature holds for the one spelling that was signed. Only
what may not stand in an address at all (RFC 3986, 2) is written as %XX.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

from yarl import URL

MAX_CHARS = 65_536  # characters of an address that a response may send us to
_PARTS = re.compile(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):)?(?://(?P<host>[^/?#]*))?(?P<path>[^?#]*)(?:\?(?P<query>[^#]*))?(?:#.*)?",
    re.DOTALL,
)
_FORBIDDEN = re.compile(r"""[^!#$&'()*+,\-./0-9:;=?@A-Z\[\]_a-z~%]|%(?![0-9A-Fa-f]{2})""")
_WEB_SCHEMES = frozenset({"http", "https"})


@lru_cache(maxsize=16_384)
def parse_url(text: str) -> URL:
    """An address, without its fragment. Made once per monitor, not once per check. Raises ValueError for none."""
    scheme, host, path, query = _parts(text)
    if not scheme or not host:
        raise ValueError("an address begins with a scheme and a host")
    return _build_url(scheme, host, path, query)


def resolve_redirect(base: URL, location: str) -> URL:
    """Where a `Location` leads from an address (RFC 3986, 5.2), without credentials. Raises ValueError for none."""
    scheme, host, path, query = _parts(location.replace("\t", ""))  # as browsers have it
    known_as = (scheme or base.scheme).lower()
    if (
        len(location) > MAX_CHARS
        or known_as not in _WEB_SCHEMES
        or (host is None and known_as != base.scheme)
        or host == ""
    ):
        raise ValueError("no web address")
    if host is not None:
        return _build_url(known_as, host.rpartition("@")[2], _remove_dot_segments(path), query)
    old_path, _, old_query = base.raw_path_qs.partition("?")
    if not path:
        return _build_url(
            base.scheme, base.host_port_subcomponent or "", old_path, old_query if query is None else query
        )
    whole = path if path.startswith("/") else f"{old_path.rpartition('/')[0]}/{path}"
    return _build_url(base.scheme, base.host_port_subcomponent or "", _remove_dot_segments(whole), query)


def with_query(text: str, fields: Mapping[str, str]) -> str:
    """An address with these fields in its query, in the place of any that have the same names."""
    address, _, query = text.partition("#")[0].partition("?")
    kept = [one for one in query.split("&") if one and one.partition("=")[0] not in fields]
    return f"{address}?{'&'.join([*kept, URL.build(query=dict(fields)).raw_query_string])}"


def _parts(text: str) -> tuple[str | None, str | None, str, str | None]:
    found = _PARTS.fullmatch(text)
    if found is None:
        raise ValueError("no address")
    return found["scheme"], found["host"], found["path"], found["query"]


def _build_url(scheme: str, host: str, path: str, query: str | None) -> URL:
    """An address whose host is written as names are, and the rest as it was."""
    origin = URL(f"{scheme}://{host}")
    if not origin.raw_host:
        raise ValueError("an address has a host")
    path = _escaped(path) or "/"
    if query == "":
        path, query = f"{path}?", None  # an empty query is one too, which yarl does not know
    query = _escaped(query or "")
    return URL.build(scheme=origin.scheme, authority=origin.raw_authority, path=path, query_string=query, encoded=True)


def _escaped(text: str) -> str:
    return _FORBIDDEN.sub(lambda one: "".join(f"%{byte:02X}" for byte in one[0].encode("utf-8", "replace")), text)


def _remove_dot_segments(path: str) -> str:
    """A path without `.` and `..` (RFC 3986, 5.2.4)."""
    kept: list[str] = []
    segments = path.split("/")
    for segment in segments:
        if segment == "..":
            del kept[max(1, len(kept) - 1) :]  # the first one is what stands before the root
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in {".", ".."}:
        kept.append("")
    return "/".join(kept)
