"""Decodes charsets as browsers do: by any of their labels, without ever failing. Pure.

The target names the charset, and some codecs of Python take minutes: only those in the table are used.
"""

import codecs
import re
from collections.abc import Callable, Iterator
from functools import cache, lru_cache, partial
from types import MappingProxyType

from app.domain.parsing.charset_labels import BYTES, CHARACTERS, CODECS, LABELS

UTF_8, WINDOWS_1252, REPLACEMENT, USER_DEFINED = "utf-8", "windows-1252", "replacement", "x-user-defined"
MULTI_BYTE = frozenset(
    {
        *(UTF_8, "utf-16le", "utf-16be", "utf-32le", "utf-32be"),
        *("gbk", "gb18030", "big5", "euc-jp", "iso-2022-jp", "shift_jis", "euc-kr"),
    }
)
# Bytes to decode at once. For a megabyte of undefined bytes, Python takes half a second, and longer if it calls our
# error handlers.
PIECE_BYTES, SLOW_PIECE_BYTES = 32_768, 4_096
CACHED_PAIRS = 2_048  # pairs of bytes whose character is cached
_JIS = range(0x21, 0x7F)  # rows and cells of JIS X 0208
REPLACEMENT_CHARACTER = "\ufffd"  # shown for undefined bytes
UNDEFINED = "\ufffe"  # marks undefined bytes in a decoding table of Python
_NAMES = MappingProxyType({label: name for name, labels in LABELS.items() for label in labels.split()})

PieceDecoder = Callable[[bytes, bool], str]  # (next bytes, whether they are the last) -> text


def standard_name(label: str) -> str:
    """The standard's name of the charset with this label, in lower case; empty for an unknown label."""
    return _NAMES.get(label.strip("\t\n\f\r \"'").lower(), "")


def decode_pieces(body: bytes | bytearray, charset: str = "", *, whole: bool = True) -> Iterator[str]:
    """Decodes a body piece by piece, so that other threads can run in between.

    charset   the standard's name; empty: undeclared, so UTF-8, or windows-1252 if it is not valid UTF-8
    whole     False for a truncated body: half a character at its end is not an error
    """
    if charset == UTF_8 and len(body) <= PIECE_BYTES:
        yield codecs.utf_8_decode(body, "replace", whole)[0]
        return
    if not charset:
        try:
            yield codecs.utf_8_decode(body, "strict", whole)[0]
        except UnicodeDecodeError:
            charset = WINDOWS_1252
        else:
            return
    decode, size = piece_decoder(charset), SLOW_PIECE_BYTES if charset in _FALLBACKS else PIECE_BYTES
    for start in range(0, len(body), size):
        yield decode(bytes(body[start : start + size]), whole and start + size >= len(body))


def piece_decoder(name: str) -> PieceDecoder:
    """A decoder for a body in this charset, piece by piece."""
    if name == REPLACEMENT:
        return _replacement_decoder()
    if name in MULTI_BYTE:
        return _multi_byte_decoder(name)
    return partial(_decode_single_byte, _byte_table(name))


def _decode_single_byte(table: str, data: bytes, _: bool) -> str:  # noqa: FBT001  # a PieceDecoder
    return codecs.charmap_decode(data, "replace", table)[0]


@cache
def _byte_table(name: str) -> str:
    """The character of each byte; undefined bytes from 0x80 to 0x9F are control characters (Encoding, 9.1)."""
    codec = CODECS.get(name, name)
    characters = [bytes([byte]).decode(codec, "replace") if name != USER_DEFINED else chr(byte) for byte in range(256)]
    for byte in range(0x80, 0x100):
        if name == USER_DEFINED:
            characters[byte] = chr(0xF700 + byte)
        elif characters[byte] == REPLACEMENT_CHARACTER:
            characters[byte] = chr(byte) if byte < 0xA0 else UNDEFINED  # noqa: PLR2004  # the last of the C1 controls
    return "".join(BYTES.get(name, {}).get(byte, character) for byte, character in enumerate(characters))


def _replacement_decoder() -> PieceDecoder:
    """For charsets that enable attacks on pages: any text decodes to one replacement character."""
    left = [REPLACEMENT_CHARACTER]
    return lambda data, _: left.pop() if data and left else ""


def _multi_byte_decoder(name: str) -> PieceDecoder:
    fallback = _FALLBACKS.get(name)
    decoder = codecs.getincrementaldecoder(CODECS.get(name, name))(f"{__name__}.{fallback}" if fallback else "replace")
    changed = CHARACTERS.get(name)
    if not changed:
        return decoder.decode
    any_changed = re.compile(f"[{''.join(map(chr, changed))}]")

    def decode(data: bytes, last: bool) -> str:  # noqa: FBT001  # a PieceDecoder
        text = decoder.decode(data, last)
        return text.translate(changed) if any_changed.search(text) else text

    return decode


def _error_handler(decode: Callable[[bytes], str]) -> Callable[[UnicodeError], tuple[str, int]]:
    """An error handler for codecs: decodes bytes that the standard knows and Python's codec does not."""

    def handle(error: UnicodeError) -> tuple[str, int]:
        assert isinstance(error, UnicodeDecodeError)  # only decoders call it
        start = error.start
        text = decode(error.object[start : start + 2])
        return (text, start + (1 if text == "€" else 2)) if text else (REPLACEMENT_CHARACTER, error.end)

    return handle


def _decode_euro(raw: bytes) -> str:
    return "€" if raw[:1] == b"\x80" else ""


@lru_cache(maxsize=CACHED_PAIRS)
def _decode_hong_kong(raw: bytes) -> str:
    return raw.decode("big5hkscs", "ignore") if len(raw) == 2 and raw[1] > 0x3F else ""  # noqa: PLR2004  # a pair


@lru_cache(maxsize=CACHED_PAIRS)
def _decode_jis(raw: bytes) -> str:
    """NEC's and IBM's rows of JIS X 0208, as Windows decodes them."""
    row, cell = raw.rjust(2, b"\0")
    if row not in _JIS or cell not in _JIS:
        return ""
    lead, trail = divmod((row - _JIS.start) * len(_JIS) + cell - _JIS.start, 2 * len(_JIS))
    lead += 0x81 if lead < 0x1F else 0xC1  # noqa: PLR2004  # Encoding, 12.3.2
    trail += 0x40 if trail < 0x3F else 0x41  # noqa: PLR2004  # the same
    return bytes([lead, trail]).decode("cp932", "ignore")


def _decode_euc_jp(raw: bytes) -> str:
    return _decode_jis(bytes(byte - 0x80 for byte in raw)) if min(raw) > 0x80 else ""  # noqa: PLR2004  # both of them


_FALLBACKS = {"gbk": "euro", "gb18030": "euro", "big5": "hong-kong", "euc-jp": "euc-jp", "iso-2022-jp": "jis"}
_FALLBACK_DECODERS: dict[str, Callable[[bytes], str]] = {
    "euro": _decode_euro,
    "hong-kong": _decode_hong_kong,
    "euc-jp": _decode_euc_jp,
    "jis": _decode_jis,
}
for _name, _decode in _FALLBACK_DECODERS.items():
    codecs.register_error(f"{__name__}.{_name}", _error_handler(_decode))
