"""Converts host names and IP addresses as people write them: `[::1]`, `bücher.test`, `fe80::1%eth0`. Pure.

Names beyond ASCII are encoded as browsers do (IDNA 2008 with the mapping of UTS 46, else IDNA 2003).
"""

import re
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, TypeVar

import msgspec

MAX_NAME_LENGTH, MAX_LABEL_LENGTH = 253, 63  # RFC 1035, 2.3.4
HOST_FIELDS = ("host", "whois_server", "server_name", "resolver_name", "domain")  # fields of configs that hold one host
_LABEL = re.compile(r"[A-Za-z0-9_-]+")
_PORT = re.compile(r"[^:]+:[0-9]+")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_ZONE = re.compile(r"[A-Za-z0-9_.~-]{1,15}")  # the name or number of a network interface

S = TypeVar("S", bound=msgspec.Struct)


@lru_cache(maxsize=16_384)
def wire_host(text: str) -> str:
    """The host as a resolver or a socket takes it: without brackets, in ASCII. Raises ValueError with the reason."""
    if text.isascii() and _is_plain(text):
        return text
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if _SCHEME.match(text):
        raise ValueError("must be a name or an IP address, without a scheme")
    if ":" in bare:
        return _ipv6_address(bare, text)
    if bare != text:
        raise ValueError("must have brackets only around an IPv6 address")
    return _host_name(text)


def usable_host(text: str) -> str:
    """The host as a resolver takes it; an invalid host is returned unchanged, so that the resolver reports it."""
    try:
        return wire_host(text)
    except ValueError:
        return text


def wire_authority(text: str) -> str:
    """The part of a URL between `//` and the path, such as `me@bücher.test:8080`, with its host as by `usable_host`."""
    if text.isascii():
        return text
    userinfo, at, host_port = text.rpartition("@")
    host, colon, port = host_port.partition(":")
    return f"{userinfo}{at}{usable_host(host)}{colon}{port}"


def wire_mail_address(text: str) -> str:
    """The e-mail address as every mail server takes it: without blanks around it, its domain in ASCII.

    A server needs the extension SMTPUTF8 (RFC 6531, 3.2) only for letters beyond ASCII before the `@`, which no other
    spelling stands for. An address in brackets (RFC 5321, 4.1.3) and an invalid domain stay as they are.
    """
    name, at, domain = text.strip().rpartition("@")
    return f"{name}{at}{domain if domain.startswith('[') else usable_host(domain)}"


def with_wire_hosts(config: S) -> S:
    """The config with each host as a resolver takes it, for connecting; the API shows hosts as they were written."""
    changes: dict[str, Any] = {}
    for name, value in ((field, getattr(config, field, None)) for field in HOST_FIELDS):
        if isinstance(value, str) and (wire := usable_host(value)) != value:
            changes[name] = wire
    brokers: list[str] = getattr(config, "brokers", [])
    if not all(broker.isascii() for broker in brokers):
        parts = (broker.rpartition(":") for broker in brokers)
        changes["brokers"] = [f"{usable_host(host)}:{port}" for host, _, port in parts]
    return msgspec.structs.replace(config, **changes) if changes else config


def is_ip_address(text: str) -> bool:
    """Whether the text is an IP address, without brackets and port."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def native_address(address: str) -> str:
    """The same IP address; an IPv4-mapped one (`::ffff:127.0.0.1`) as IPv4."""
    mapped = getattr(ip_address(address), "ipv4_mapped", None)
    return str(mapped) if mapped else address


def _is_plain(text: str) -> bool:
    """Whether the text is a valid ASCII name that needs no conversion."""
    labels = text.removesuffix(".").split(".")
    return len(text) <= MAX_NAME_LENGTH and all(
        len(label) <= MAX_LABEL_LENGTH and _LABEL.fullmatch(label) for label in labels
    )


def _ipv6_address(bare: str, text: str) -> str:
    """An IPv6 address with an optional zone; URLs write `%` as `%25` (RFC 6874)."""
    address, percent, zone = bare.partition("%")
    zone = zone.removeprefix("25") if bare.startswith(f"{address}%25") and zone != "25" else zone
    if is_ip_address(address) and (not percent or _ZONE.fullmatch(zone)):
        return f"{address}{percent}{zone}"
    if _PORT.fullmatch(text) or re.fullmatch(r"\[[^\]]*\]:[0-9]+", text):
        raise ValueError("must be a name or an IP address without a port; send the port in its own field")
    raise ValueError("must be a name or an IP address; this is not an IPv6 address")


def _host_name(text: str) -> str:
    if not text:
        raise ValueError("must be a name or an IP address; it is empty")
    if found := re.search(r"[\s/?#@\\%\x00-\x1f\x7f]", text):
        raise ValueError(f"must be a name or an IP address, without {found.group()!r}")
    name = text if text.isascii() else _in_ascii(text)
    if _is_plain(name):
        return name
    raise ValueError(_label_error(name))


def _in_ascii(text: str) -> str:
    import idna  # noqa: PLC0415  # a library that most names never need

    try:
        return idna.encode(text, uts46=True).decode("ascii")
    except (UnicodeError, ValueError, IndexError):
        pass
    try:
        return text.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise ValueError("must be a name without letters that host names can't have") from error


def _label_error(name: str) -> str:
    labels = name.removesuffix(".").split(".")
    if len(name) > MAX_NAME_LENGTH:
        return f"must be a name of at most {MAX_NAME_LENGTH} characters"
    if not all(labels):
        return "must be a name without empty parts between or before its dots"
    if any(len(label) > MAX_LABEL_LENGTH for label in labels):
        return f"must be a name whose parts have at most {MAX_LABEL_LENGTH} characters each"
    invalid = next(sign for label in labels for sign in label if not _LABEL.fullmatch(sign))
    return f"must be a name or an IP address, without {invalid!r}"
