"""Every environment variable: its name, its default, and how its value is parsed."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

Parse = Callable[[str], Any]

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_YES, _NO = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}
_NO_DATABASES = {"mysql", "mariadb", "mongo", "mongodb"}
DATABASES = ("sqlite", "postgres", "cockroach")
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


def whole_number(minimum: int, maximum: int) -> Parse:
    """A whole number in a range, both ends included."""

    def parse(text: str) -> int:
        if not text.strip().isascii() or not text.strip().isdigit() or not minimum <= int(text) <= maximum:
            raise ValueError(f"must be a whole number from {minimum} to {maximum}")
        return int(text)

    return parse


def one_of(*words: str) -> Parse:
    """One of a few words."""

    def parse(text: str) -> str:
        if text.lower() not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return text.lower()

    return parse


def secret_key(text: str) -> str:
    """A secret too long to be guessed."""
    if len(text) < 16:  # noqa: PLR2004  # named in the sentence below
        raise ValueError("must have at least 16 characters")
    return text


def duration_s(text: str) -> int:
    """A duration in whole seconds: `90`, `90s`, `1m`, `1h30m`."""
    if text.isascii() and text.isdigit():
        text += "s"
    parts = _DURATION.findall(text)
    total = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if "".join(number + unit for number, unit in parts) != text or total < 1 or total % 1:
        raise ValueError("must be a duration in whole seconds, like 90s, 1m or 1h30m")
    return int(total)


def boolean(text: str) -> bool:
    """A boolean."""
    if text.lower() not in _YES | _NO:
        raise ValueError("must be true or false")
    return text.lower() in _YES


def database_type(text: str) -> str:
    """A supported database."""
    if text.lower() in _NO_DATABASES:
        raise ValueError("is not supported; use sqlite, postgres or cockroach")
    name: str = one_of(*DATABASES)(text)
    return name


def web_url(text: str) -> str:
    """An http or https address."""
    if urlsplit(text).scheme not in {"http", "https"} or not urlsplit(text).hostname:
        raise ValueError("must be an address like https://status.example.org")
    return text.rstrip("/")


def issuer(text: str) -> str:
    """An OpenID issuer, unchanged: a slash at its end counts."""
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("must be an address like https://login.example.org, just as the provider writes it")
    return text


def comma_separated(text: str) -> tuple[str, ...]:
    """Words separated by commas."""
    return tuple(one.strip() for one in text.split(",") if one.strip())


def redis_url(text: str) -> str:
    """An address redis-py understands; `rediss` is TLS."""
    parts = urlsplit(text)
    if parts.scheme not in {"redis", "rediss", "unix"} or not (parts.hostname or parts.path):
        raise ValueError("must begin with redis://, rediss:// or unix://")
    return text


def time_zone(text: str) -> str:
    """A name of the IANA database."""
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("must be a time zone like UTC or Europe/Berlin") from error
    return text


def networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Addresses and networks, separated by commas."""
    try:
        return tuple(ip_network(one.strip()) for one in text.split(",") if one.strip())
    except ValueError as error:
        raise ValueError("must be addresses or networks like 127.0.0.1 or 10.0.0.0/8, separated by commas") from error


def hosts_with_ports(text: str) -> tuple[tuple[str, int], ...]:
    """Hosts with their ports, separated by commas."""
    hosts = []
    for one in comma_separated(text):
        host, _, port = one.rpartition(":")
        if not host.strip("[]") or not port.isdigit() or not 1 <= int(port) <= 65_535:  # noqa: PLR2004  # ports end there
            raise ValueError("must be hosts with ports like 1.1.1.1:443, separated by commas")
        hosts.append((host.strip("[]"), int(port)))
    return tuple(hosts)


@dataclass(frozen=True, slots=True)
class Rate:
    """This many at once, and as many again within `per_s` seconds."""

    times: int
    per_s: int


def rate(text: str) -> Rate | None:
    """A rate limit: `600/m`, `100/10s`; `0` for none."""
    if text == "0":
        return None
    times, _, period = text.partition("/")
    try:
        return Rate(
            whole_number(1, 1_000_000)(times), duration_s(period if period[:1].isdigit() else f"1{period or '?'}")
        )
    except ValueError as error:
        raise ValueError("must be a rate like 600/m or 100/10s, or 0 for no limit") from error


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable. `default` is text, as in the environment; empty means absent."""

    name: str
    default: str
    parse: Parse = str
    field: str = ""
    secret: bool = False


def _variable(name: str, default: str, parse: Parse = str, *, field: str = "", secret: bool = False) -> Variable:
    return Variable(name, default, parse, field or name.lower(), secret)


VARIABLES = (
    _variable("SERVER_HOST", "127.0.0.1"),
    _variable("SERVER_PORT", "8034", whole_number(1, 65_535)),
    _variable("CLIENT_URL", "http://localhost:3000", web_url),
    _variable("MODE", "dev", one_of("dev", "prod", "test")),
    _variable("LOG_LEVEL", "info", one_of("debug", "info", "warn", "error")),
    _variable("LOG_FILE", ""),
    _variable("HEALTH_FILE", ""),
    _variable("TZ", "UTC", time_zone),
    _variable("SERVICE_NAME", "watchkeeper:api"),
    _variable("DATA_DIR", "data"),
    _variable("SECRETS_FILE", "secrets/watchkeeper.env"),
    _variable("DB_TYPE", "sqlite", database_type),
    _variable("DB_HOST", ""),
    _variable("DB_PORT", "", whole_number(1, 65_535)),
    _variable("DB_NAME", ""),
    _variable("DB_USER", ""),
    _variable("DB_PASS", "", secret=True),
    _variable("DB_SSLMODE", "prefer", one_of(*SSL_MODES)),
    _variable("REDIS_HOST", ""),
    _variable("REDIS_PORT", "6379", whole_number(1, 65_535)),
    _variable("REDIS_PASSWORD", "", secret=True),
    _variable("REDIS_DB", "0", whole_number(0, 15)),
    _variable("REDIS_URL", "", redis_url, secret=True),
    _variable("QUEUE_CONCURRENCY", "128", whole_number(1, 4_096)),
    _variable("PRODUCER_CONCURRENCY", "10", whole_number(1, 128)),
    _variable("CHECK_CONCURRENCY", "2000", whole_number(1, 100_000)),
    _variable("BRUTEFORCE_MAX_ATTEMPTS", "20", whole_number(1, 1_000_000)),
    _variable("BRUTEFORCE_WINDOW", "1m", duration_s, field="bruteforce_window_s"),
    _variable("BRUTEFORCE_LOCKOUT", "1m", duration_s, field="bruteforce_lockout_s"),
    _variable("RATE_LIMIT_AUTH", "120/m", rate),
    _variable("RATE_LIMIT_READ", "6000/m", rate),
    _variable("RATE_LIMIT_WRITE", "3000/m", rate),
    _variable("RATE_LIMIT_RUN", "600/m", rate),
    _variable("LIVE_SOCKETS_PER_ADDRESS", "100", whole_number(1, 100_000)),
    _variable("LIVE_SOCKETS_PER_USER", "50", whole_number(1, 100_000)),
    _variable("REQUEST_TIMEOUT", "1m", duration_s, field="request_timeout_s"),
    _variable("BODY_TIMEOUT", "30s", duration_s, field="body_timeout_s"),
    _variable("REGISTRATION_OPEN", "false", boolean),
    _variable("TRUSTED_PROXIES", "", networks),
    _variable("CONNECTIVITY_CHECK_HOSTS", "", hosts_with_ports),
    _variable("DEAD_MANS_SWITCH_URL", "", web_url, secret=True),
    _variable("DEAD_MANS_SWITCH_INTERVAL", "1m", duration_s, field="dead_mans_switch_interval_s"),
    _variable("AUDIT_RETENTION_DAYS", "400", whole_number(1, 36_500)),
    _variable("OIDC_ISSUER", "", issuer),
    _variable("OIDC_CLIENT_ID", ""),
    _variable("OIDC_CLIENT_SECRET", "", secret=True),
    _variable("OIDC_SCOPES", "openid email profile"),
    _variable("OIDC_REDIRECT_URL", "", web_url),
    _variable("OIDC_ROLE_CLAIM", "roles"),
    _variable("OIDC_ADMIN_VALUES", "", comma_separated),
    _variable("OIDC_OPERATOR_VALUES", "", comma_separated),
    _variable("OIDC_AUTO_CREATE", "false", boolean),
    _variable("API_SECRET_KEY", "", secret_key, secret=True),
    _variable("API_SECRET_KEY_PREVIOUS", "", secret_key, secret=True),
    _variable("API_ADMIN_TOKEN", "", secret_key, secret=True),
)
