"""Detects the charset of a body as browsers do: by byte order mark, header, or declaration in the page. Pure.

source    the HTML standard, 13.2.3.2 "Determining the character encoding" and its prescan; Encoding, 6.1 "BOM sniff"
"""

import codecs
import re
from functools import lru_cache

from app.domain.parsing.charsets import USER_DEFINED, UTF_8, WINDOWS_1252, standard_name

PRESCANNED_BYTES = 1_024
HEADER_CHARS = 300
# Longer marks first: the mark of UTF-32 begins with the mark of UTF-16.
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: UTF_8,
    codecs.BOM_UTF32_LE: "utf-32le",
    codecs.BOM_UTF32_BE: "utf-32be",
    codecs.BOM_UTF16_LE: "utf-16le",
    codecs.BOM_UTF16_BE: "utf-16be",
}
_MARK_FIRST_BYTES = frozenset(mark[0] for mark in _BYTE_ORDER_MARKS)
_LABEL = re.compile(r"charset\s*=\s*(?:\"([^\"]*)|'([^']*)|([^\s;\"',]+))", re.IGNORECASE)
_XML = re.compile(rb"<\?xml\s[^>]*?encoding\s*=\s*(?:\"([^\">]*)\"|'([^'>]*)')")
_META = re.compile(rb"<meta[\s/]", re.IGNORECASE)
_TAG = re.compile(rb"</?[a-z][^\s>]*", re.IGNORECASE)
_ATTRIBUTE = re.compile(rb"[\s/]*([^\s/>][^\s/>=]*)(?:\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s>\"'][^\s>]*)))?")
_WIDE_XML = {b"<\0?\0x\0": "utf-16le", b"\0<\0?\0x": "utf-16be"}


def detect_charset(body: bytes | bytearray, content_type: str) -> tuple[str, int]:
    """The standard's name of the charset, empty if undeclared; and the length of the byte order mark to skip."""
    if body and body[0] in _MARK_FIRST_BYTES:
        for mark, name in _BYTE_ORDER_MARKS.items():
            if body.startswith(mark):
                return name, len(mark)
    return _from_header(content_type[:HEADER_CHARS]) or _from_page(bytes(body[:PRESCANNED_BYTES]), content_type), 0


@lru_cache(maxsize=256)
def _from_header(content_type: str) -> str:
    """The charset named by the parameter `charset` of a content type."""
    found = _LABEL.search(content_type)
    return standard_name(found[1] or found[2] or found[3] or "") if found else ""


def _from_page(head: bytes, content_type: str) -> str:
    """The charset that a page declares; empty for other content types."""
    media_type = content_type.partition(";")[0].lower()
    if media_type.strip() and "html" not in media_type and "xml" not in media_type:
        return ""
    if head[:6] in _WIDE_XML:
        return _WIDE_XML[head[:6]]
    if head.startswith(b"<?xml") and (declaration := _XML.match(head)):
        return _plausible_charset(declaration[1] or declaration[2] or b"")
    return _prescan(head) if b"charset" in head.lower() else ""


def _prescan(head: bytes) -> str:
    """The charset of the first <meta> that names a known charset."""
    at = head.find(b"<")
    while at >= 0:
        if head.startswith(b"<!--", at):
            at = _after(head, b"-->", at + 2)
        elif tag := _META.match(head, at):
            attributes, at = _attributes(head, tag.end())
            if name := _from_meta(attributes):
                return name
        elif tag := _TAG.match(head, at):
            at = _attributes(head, tag.end())[1]
        else:
            at = _after(head, b">", at) if head[at + 1 : at + 2] in {b"!", b"?", b"/"} else at + 1
        at = head.find(b"<", at) if at >= 0 else -1
    return ""


def _after(head: bytes, end: bytes, at: int) -> int:
    """The position after the next `end`; -1 when there is none."""
    found = head.find(end, at)
    return found + len(end) if found >= 0 else -1


def _attributes(head: bytes, at: int) -> tuple[dict[bytes, bytes], int]:
    """The attributes of a tag, the first of each name, and the position where the tag ends."""
    attributes: dict[bytes, bytes] = {}
    while found := _ATTRIBUTE.match(head, at):
        attributes.setdefault(found[1].lower(), found[2] or found[3] or found[4] or b"")
        at = found.end()
    return attributes, at


def _from_meta(attributes: dict[bytes, bytes]) -> str:
    if b"charset" in attributes:
        return _plausible_charset(attributes[b"charset"])
    if attributes.get(b"http-equiv", b"").lower() != b"content-type":
        return ""
    found = _LABEL.search(attributes.get(b"content", b"").decode("latin-1"))
    return _plausible_charset((found[1] or found[2] or found[3] or "").encode("latin-1")) if found else ""


def _plausible_charset(label: bytes) -> str:
    """The charset that a declared label can mean: a page that declares UTF-16 in ASCII is not in UTF-16."""
    name = standard_name(label.decode("latin-1"))
    return {"utf-16le": UTF_8, "utf-16be": UTF_8, USER_DEFINED: WINDOWS_1252}.get(name, name)
