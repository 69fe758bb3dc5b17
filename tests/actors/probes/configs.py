"""Configs of every monitor type, generated from its schema, with typical mistakes of people and programs."""

from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

from schema.targets import TARGETS

PORT = 1  # placeholder for the server's port, which is not known yet
HOSTS = (
    "127.0.0.1",
    "localhost",
    "a.test",
    "a_b.test",
    "bücher.test",
    "[::1]",
    "::1",
    "a..b",
    "a" * 64,
    "a" * 63,
    "x y",
    "a.test:1",
    "http://a.test",
    "a\u202eb",
    "1",
    "-a",
    "a.",
    ".",
    "xn--",
    "xn--a",
    "ß",
    "é" * 60,
    "%41",
    "a%b",
)
URLS = (
    "http://127.0.0.1:1/",
    "https://127.0.0.1:1/a?b=c",
    "http://a.test:1/%41%2F?sig=%2C'",
    "http://[::1]:1/",
    "http://[",
    "http://:80/",
    "http://127.0.0.1:99999/",
    "http://127.0.0.1:0/",
    "http://127.0.0.1:/",
    "http://bücher.test:1/ü",
    "http://a..b/",
    "http://%zz/",
    "http://a%20b/",
    "http://a.test:x/",
    "http://[::1",
    "http://[zz]/",
    "http://a\u202eb/",
    "http://127.0.0.1:1/\x7f",
    "http://127.0.0.1:1/%",
    "http://127.0.0.1:1/#%zz",
    "http://127.0.0.1:1?a",
    "HTTP://a.test:1",
    "http://-/",
    "http://./",
    "http://xn--/",
    "http://1:1/",
    "http://ß.test:1/",
    "http://a_b.test:1/",
    "http://a\\b:1/",
)
STRINGS = (
    "{s}://u:p@127.0.0.1:1/1",
    "{s}://127.0.0.1:1",
    "{s}://u:p?w@h/1",
    "{s}://u:p/w@h/1",
    "{s}://u:p@h:x/1",
    "{s}://",
    "{s}://u:p@h:99999/1",
    "{s}://[::1]:1/1",
    "{s}://[::1/1",
    "{s}://u:%ff@127.0.0.1:1/1",
    "{s}://127.0.0.1:1/1?",
    "{s}://127.0.0.1:1/1?sslmode=require&channel_binding=require",
    "{s}://127.0.0.1:1/1?connect_timeout=10",
    "{s}://127.0.0.1:1/1?ssl=true",
    "{s}://127.0.0.1:1/1?ssl-mode=REQUIRED",
    "{s}://127.0.0.1:1/1?ssl=maybe",
    "{s}://127.0.0.1:1/1?sslrootcert=/a",
    "{s}://127.0.0.1:1/x",
    "{s}://h1,h2/1",
    "{s}:///1",
    "{s}://u@/1",
    "{s}://%20/1",
    "{s}+srv://a.test/",
    "{s}+driver://127.0.0.1:1/1",
    "Server=127.0.0.1,1;User Id=a;Password=b",
    "Server=a\\b",
    "a=b",
    "Server=127.0.0.1,1;Encrypt=strict",
    "Server=127.0.0.1,99999",
    "{s}://127.0.0.1:1/?authMechanism=GSSAPI",
    "x" * 5_000,
    "Server=tcp:127.0.0.1,1;Password='a;b'",
    "Server=;",
    "Server=127.0.0.1,1;Trusted_Connection=yes",
    "{s}://a..b/1",
)
TEXTS = (
    "",
    "a",
    "(cn=a",
    "(cn=a)",
    "(a=*)",
    "(a:=b)",
    "((",
    "a=b",
    "[",
    "{",
    '{"ping": 1}',
    '{"find": {"$oid": "x"}}',
    "$",
    "$[",
    "((a{100}){100}){100}",
    "ü€💩",
    "a\nb",
    "a\tb",
    "\x7f",
    "\u202e",
    " ",
    "'",
    '"',
    "%zz",
    "a" * 300,
    "é" * 200,
    "*",
    "#",
    "/",
    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    "-----BEGIN PRIVATE KEY-----\nAA\n-----END PRIVATE KEY-----",
    "SHA256:" + "A" * 43,
    "GET \xe9",
    "PING a",
    "SELECT 1",
    "SELECT 'a",
    "1.3.6.1",
    "2.999.1",
    "1.99.1",
    ".1.3.4294967296",
    "a/b",
    '{"count": {"$numberLong": "x"}}',
    "Europe/Berlin",
    "127.0.0.1:1",
    "[::1]:1",
    "a.b/C",
    "unix:///x",
    "tcp://127.0.0.1:1",
)
NUMBERS = (0, 1, 2, 53, 65_535, 99_999, -1, 1 << 33, 0.5, 1e300)

USUAL: dict[str, dict[str, Any]] = {
    "http": {"url": "http://127.0.0.1:1/"},
    "website": {"url": "http://127.0.0.1:1/"},
    "websocket": {"url": "ws://127.0.0.1:1/"},
    "tcp": {"host": "127.0.0.1", "port": PORT},
    "ping": {"host": "127.0.0.1"},
    "dns": {"host": "a.test", "resolver_server": "127.0.0.1", "port": PORT},
    "redis": {"host": "127.0.0.1", "port": PORT},
    "postgres": {"host": "127.0.0.1", "port": PORT},
    "mysql": {"host": "127.0.0.1", "port": PORT},
    "sqlserver": {"host": "127.0.0.1", "port": PORT},
    "mongodb": {"host": "127.0.0.1", "port": PORT},
    "ssh": {"host": "127.0.0.1", "port": PORT},
    "ntp": {"host": "127.0.0.1", "port": PORT},
    "ssl": {"host": "127.0.0.1", "port": PORT},
    "ldap": {"host": "127.0.0.1", "port": PORT},
    "mail": {"host": "127.0.0.1", "port": PORT, "protocol": "smtp"},
    "snmp": {"host": "127.0.0.1", "port": PORT, "oid": "1.3.6.1.2.1.1.3.0"},
    "mqtt": {"host": "127.0.0.1", "port": PORT, "topic": "a/b"},
    "grpc": {"host": "127.0.0.1", "port": PORT},
    "rabbitmq": {"host": "127.0.0.1", "port": PORT, "username": "a"},
    "docker": {"container": "a", "daemon": "tcp://127.0.0.1:1"},
    "steam": {"host": "127.0.0.1", "port": PORT},
    "domain": {"domain": "a.test", "rdap_url": "http://127.0.0.1:1/", "whois_server": "127.0.0.1", "whois_port": PORT},
    "kafka-producer": {"brokers": ["127.0.0.1:1"], "topic": "a", "message": "b"},
    "manual": {},
    "push": {},
    "group": {"members": ["a"]},
}
SCHEMES = {"postgres": "postgresql", "kafka-producer": "kafka"}
PLACES = {"connection_string"}  # where this is given, `host` is not
LEFT_OUT = {"proxy_id"}  # has to exist, which the store looks at
NEEDED = {"resolver_server", "rdap_url", "whois_server"}  # without them a check would query a public server


def changed_configs(type_: str) -> st.SearchStrategy[dict[str, Any]]:
    """The type's usual config with up to three of its fields drawn anew; much of it is refused when it is saved."""
    fields = {one.encode_name: one.type for one in msgspec.structs.fields(TARGETS[type_]) if one.name not in LEFT_OUT}
    one_field = st.sampled_from(sorted(fields)).flatmap(
        lambda name: st.tuples(st.just(name), values_of(inspect.type_info(fields[name]), name, type_))
    )
    return st.lists(one_field, max_size=3).map(lambda drawn: merged(USUAL[type_], drawn))


def merged(usual: dict[str, Any], drawn: list[tuple[str, Any]]) -> dict[str, Any]:
    """The config with these fields; a connection string takes the host's place."""
    config = usual | dict(drawn)
    config = usual | config if not PLACES & config.keys() else {k: v for k, v in config.items() if k != "host"}
    return {name: value for name, value in config.items() if value or name not in NEEDED}


def values_of(info: inspect.Type, name: str, type_: str) -> st.SearchStrategy[Any]:
    """Values that may fit a field, derived from its schema."""
    if isinstance(info, inspect.Metadata):
        return values_of(info.type, name, type_)
    if isinstance(info, inspect.UnionType):
        return st.one_of(*(values_of(one, name, type_) for one in info.types))
    if isinstance(info, inspect.StructType):
        return _objects(info, type_)
    if isinstance(info, inspect.ListType):
        return st.lists(values_of(info.item_type, name, type_), max_size=2)
    if isinstance(info, inspect.DictType):
        return st.dictionaries(_texts("name", type_), _texts("value", type_), max_size=2)
    return _SCALARS.get(type(info), lambda _info, name, type_: _texts(name, type_))(info, name, type_)


def _objects(info: inspect.StructType, type_: str) -> st.SearchStrategy[dict[str, Any]]:
    tagged = {info.tag_field: st.just(info.tag)} if info.tag_field else {}
    named = {one.encode_name: values_of(one.type, one.name, type_) for one in info.fields}
    required = {one.encode_name: named.pop(one.encode_name) for one in info.fields if one.required}
    return st.fixed_dictionaries({**tagged, **required}, optional=named)


def _texts(name: str, type_: str) -> st.SearchStrategy[str]:
    if "url" in name or name == "nodes":
        scheme = "ws" if type_ == "websocket" else "http"
        return st.sampled_from([one.replace("http", scheme, 1) for one in URLS])
    if name == "connection_string":
        return st.sampled_from([one.replace("{s}", SCHEMES.get(type_, type_)) for one in STRINGS])
    if name in {"host", "domain", "whois_server", "server_name", "resolver_name"}:
        return st.sampled_from(HOSTS)
    if name in {"resolver_server", "resolvers"}:
        return st.sampled_from(["127.0.0.1", "::1", "1", "a.test", "127.0.0.1 ", "127.0.0.1:1", "[::1]", ""])
    return st.sampled_from(TEXTS) | st.text(
        st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30
    )


_SCALARS: dict[type, Callable[..., st.SearchStrategy[Any]]] = {
    inspect.BoolType: lambda *_: st.booleans(),
    inspect.NoneType: lambda *_: st.none(),
    inspect.IntType: lambda _info, name, _type: st.just(PORT) if "port" in name else st.sampled_from(NUMBERS),
    inspect.FloatType: lambda *_: st.sampled_from(NUMBERS),
    inspect.EnumType: lambda info, *_: st.sampled_from([one.value for one in info.cls]),
}


def at_port(value: Any, port: int) -> Any:
    """The config with this port wherever the one stands that stands for it."""
    if isinstance(value, dict):
        return {name: port if name in {"port", "whois_port", "resolver_port"} and one == PORT else at_port(one, port)
                for name, one in value.items()}  # fmt: skip
    if isinstance(value, list):
        return [at_port(one, port) for one in value]
    if isinstance(value, str):
        return value.replace(":1/", f":{port}/").replace("127.0.0.1:1", f"127.0.0.1:{port}").replace(",1;", f",{port};")
    return value
