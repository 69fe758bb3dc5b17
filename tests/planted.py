"""Plants a secret in every secret field of every config, derived from the types."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

import msgspec
from msgspec import Struct

from app.security.secrets import sealing
from schema.channels import PROVIDERS
from schema.targets import TARGETS
from tests.actors.probes import certificates

AT: dict[str, Any] = {"host": "127.0.0.1", "port": 9}
HOOK = "http://127.0.0.1:9/hook/"
REST: dict[str, dict[str, Any]] = {  # what else each type needs, or needs so that its secrets are used
    "http": {"url": HOOK},
    "website": {"url": HOOK, "auth_username": "ann"},
    "websocket": {"url": "ws://127.0.0.1:9/"},
    "redis": AT,
    "postgres": AT | {"username": "ann"},
    "mysql": AT | {"username": "ann"},
    "mongodb": AT | {"username": "ann"},
    "sqlserver": AT | {"username": "ann"},
    "kafka-producer": {"brokers": ["127.0.0.1:9"], "topic": "t", "message": "m", "username": "ann"},
    "ssh": AT | {"username": "ann"},
    "ldap": AT | {"bind_dn": "cn=ann"},
    "mail": AT | {"protocol": "smtp", "username": "ann", "security": "none"},
    "snmp": AT | {"oid": "1.3.6.1.2.1.1.3.0"},
    "mqtt": AT | {"topic": "t", "username": "ann"},
    "rabbitmq": AT | {"username": "ann", "nodes": ["http://127.0.0.1:9"]},
    "ssl": AT,
    "tcp": AT | {"tls": True},
    "dns": {"host": "a.example", "resolver_server": "127.0.0.1", "port": 9, "transport": "tls"},
    "grpc": AT | {"tls": True},
    "docker": {"container": "c", "daemon": "tcp://127.0.0.1:9", "tls": True},
    "webhook": {"url": HOOK},
    "smtp": AT | {"username": "ann", "sender": "a@b.example", "to": ["c@d.example"], "security": "none"},
    "pagerduty": {"server_url": "http://127.0.0.1:9"},
    "opsgenie": {"server_url": "http://127.0.0.1:9"},
    "sendgrid": {"server_url": "http://127.0.0.1:9", "sender": "a@b.example", "to": ["c@d.example"]},
    "twilio": {
        "server_url": "http://127.0.0.1:9",
        "account_sid": "AC" + "0" * 32,
        "sender": "+15005550006",
        "to": "+15005550010",
    },
    "webpush": {
        "endpoint_url": HOOK,
        "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
        "auth": "BTBZMqHH6r4Tts7J_aSIgg",
        "private_key": "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94",
        "contact": "a@b.example",
    },
    "telegram": {"chat_id": "1", "server_url": "http://127.0.0.1:9"},
    "ntfy": {"topic": "t", "username": "ann", "server_url": "http://127.0.0.1:9"},
    "gotify": {"server_url": "http://127.0.0.1:9"},
    "pushover": {"server_url": "http://127.0.0.1:9", "user_key": "u", "app_token": "a"},
    "matrix": {"server_url": "http://127.0.0.1:9", "room_id": "!r:home.example"},
    "whatsapp": {"server_url": "http://127.0.0.1:9", "chat_id": "12025550123@c.us"},
    "line": {"server_url": "http://127.0.0.1:9", "to": f"U{'0' * 32}"},
    "pushbullet": {"server_url": "http://127.0.0.1:9"},
    "apprise": {"service": "custom_json", "fields": {"schema": "json", "user": "ann", **AT}},
}
INNER: dict[str, dict[str, Any]] = {  # of `auth`
    "basic": {"username": "ann"},
    "digest": {"username": "ann"},
    "oauth2": {"token_url": HOOK, "client_id": "ann"},
    "ntlm": {"username": "ann"},
}
SCHEMES = {"redis": "redis", "postgres": "postgresql", "mysql": "mysql", "mongodb": "mongodb", "sqlserver": "sqlserver"}
V3 = {"version": "3", "username": "ann", "auth_protocol": "sha256"}
BESIDE: dict[str, dict[str, Any]] = {  # what makes a field one that is used
    "snmp.auth_password": V3,
    "apprise.url": {"fields": {}},
    **{f"mail.{field}": {"password": "p", "security": "tls"} for field in ("tls_cert", "tls_key", "tls_ca")},
    "ldap.client_key": {"password": "p", "security": "tls"},
    "snmp.priv_password": {**V3, "priv_protocol": "aes", "auth_password": "long enough"},
}
PEMS: dict[str, Callable[[str, str], dict[str, Any]]] = {  # of a certificate and its key
    "tls_cert": lambda cert, key: {"tls_cert": cert, "tls_key": key},
    "tls_key": lambda cert, key: {"tls_cert": cert, "tls_key": key},
    "tls_ca": lambda cert, _: {"tls_ca": cert},
    "client_key": lambda cert, key: {"client_cert": cert, "client_key": key},
    "ssh.private_key": lambda _, key: {"private_key": key},
}
SHAPES: dict[str, Callable[[str], Any]] = {
    "headers": lambda secret: {"X-Key": secret},
    "webhook_url": lambda secret: f"{HOOK}{secret}",
    "endpoint_url": lambda secret: f"{HOOK}{secret}",
    "secrets": lambda secret: {"password": secret},
    "url": lambda secret: f"json://ann:{secret}@127.0.0.1:9/",
}
BYTES = {"auth": 22, "private_key": 43}  # keys in base64url, of so many characters
_numbers = count(1)


class Planted(NamedTuple):
    """A config as a client would send it, and the secret in it."""

    type: str
    config: dict[str, Any]
    secret: str


def places() -> list[tuple[str, str]]:
    """Every secret field of every type: (type, dotted path)."""
    return [(name, path) for name, kind in (TARGETS | PROVIDERS).items() for path in secret_fields(kind)]


def fresh() -> str:
    """A secret that is found wherever it turns up."""
    return f"planted{next(_numbers):04d}secret"


def secret_fields(kind: type[Struct]) -> Iterator[str]:
    """Dotted paths of a struct's secrets: `auth.basic.password`, `headers.*`."""
    for field in msgspec.structs.fields(kind):
        if not sealing.is_secret(field.type):
            continue
        structs = list(_structs_of(field.type))
        for one in structs:
            yield from (f"{field.name}.{one.__struct_config__.tag}.{path}" for path in secret_fields(one))
        if not structs:
            yield field.name


def _structs_of(type_: Any) -> Iterator[type[Struct]]:
    if get_origin(type_) is Annotated:
        yield from _structs_of(get_args(type_)[0])
    elif get_origin(type_) in (Union, UnionType):
        for one in get_args(type_):
            yield from _structs_of(one)
    elif isinstance(type_, type) and issubclass(type_, Struct):
        yield type_


def planted(name: str, path: str, place: Path) -> Planted:
    """A config with a secret there.

    place    where certificates are made
    """
    config, secret = dict(REST.get(name, {})), fresh()
    field, *inner = path.split(".")
    if inner:
        config[field] = {"method": inner[0], **INNER.get(inner[0], {}), inner[1]: secret}
    elif pems := PEMS.get(field) or PEMS.get(f"{name}.{field}"):
        config |= pems(*certificates.pair(place))
        secret = config[field].splitlines()[1]
        config |= BESIDE.get(f"{name}.{field}", {})
        config |= {"tls": True} if "tls" in TARGETS[name].__struct_fields__ else {}
    elif field == "connection_string":
        config = {field: f"{SCHEMES[name]}://ann:{secret}@127.0.0.1:9/{0 if name == 'redis' else 'd'}"}
    elif field in BYTES and name == "webpush":
        config[field] = secret = secret.ljust(BYTES[field], "A")
    else:
        config[field] = SHAPES.get(field, lambda text: text)(secret)
        config |= BESIDE.get(f"{name}.{field}", {})
    return Planted(name, config, secret)
