"""Connection strings are parsed as the clients of their databases do; options are used or rejected by name."""

from collections.abc import Callable

import pytest
from hypothesis import given, strategies as st

from app.domain.connections.ado import sqlserver_encryption, sqlserver_parameters
from app.domain.connections.databases import (
    OPPORTUNISTIC,
    PLAINTEXT,
    UNVERIFIED,
    UNVERIFIED_NAME,
    VERIFIED,
    mysql_encryption,
    mysql_parameters,
    postgres_parameters,
    postgres_settings,
    postgres_ssl_mode,
    redis_encryption,
    redis_parameters,
)
from app.domain.connections.mongodb import mongodb_cluster
from app.domain.connections.options import MONGODB, MYSQL, POSTGRES, REDIS, SQLSERVER
from app.domain.connections.uris import ConnectionParameters, Encryption
from app.domain.parsing.invalid_field import InvalidField
from schema.targets import Mongodb, Mysql, Postgres, Redis, Sqlserver, SslMode


def postgres(text: str) -> ConnectionParameters:
    return postgres_parameters(Postgres(connection_string=text))


@pytest.mark.parametrize(
    ("text", "login"),
    [
        ("postgresql://u:p@h:6/d", ("h", 6, "u", "p", "d")),
        ("postgres://h", ("h", 5432, "", "", "")),
        ("POSTGRESQL://h:/d", ("h", 5432, "", "", "d")),
        ("postgresql+asyncpg://u@h/d", ("h", 5432, "u", "", "d")),
        ("postgres://u:p%3Fw@h/d%20e", ("h", 5432, "u", "p?w", "d e")),
        ("postgres://u:p:w@x@h/d", ("h", 5432, "u", "p:w@x", "d")),
        ("postgres://[::1]:6/d", ("::1", 6, "", "", "d")),
        ("postgres://[fe80::1%25lo]/d", ("fe80::1%lo", 5432, "", "", "d")),
        ("postgres://bücher.test/d", ("xn--bcher-kva.test", 5432, "", "", "d")),
        ("postgresql:///d?host=h&port=6&user=u&password=p%26w", ("h", 6, "u", "p&w", "d")),
        ("postgresql://h?dbname=d", ("h", 5432, "", "", "d")),
        ("postgresql://ü:ß@h/ü", ("h", 5432, "ü", "ß", "ü")),
        ("postgresql://%C3%BC:%C3%9F@h/%C3%BC", ("h", 5432, "ü", "ß", "ü")),
    ],
)
def test_an_address_of_a_database_is_read(text, login):
    found = postgres(text)
    assert (found.host, found.port, found.username, found.password, found.database) == login


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("h/d", "must look like postgresql://"),
        ("mysql://h/d", "must look like postgresql://"),
        ("postgres://u:p?w@h/db", "%2F, %3F and %23"),
        ("postgres://u:p/w@h/db", "%2F, %3F and %23"),
        ("postgres://u:p#w@h/db", "%2F, %3F and %23"),
        ("postgres://u:p@/db", "must name a host"),
        ("postgres://h:x/db", "must look like"),
        ("postgres://h:0/db", "port from 1 to 65535"),
        ("postgres://h:65536/db", "port from 1 to 65535"),
        ("postgres://h?port=x", "must have a number as port"),
        ("postgres://h?host=other", ""),
        ("postgres://a,b/db", "one host"),
        ("postgres://a..b/db", "an invalid host"),
        ("postgres://%2Frun%2Fpostgresql/db", "an invalid host"),
        ("postgres://u:%E9@h/db", "UTF-8"),
        ("postgres://h/db?chanel_binding=x", "did you mean 'channelbinding'?"),
        ("postgres://h/db?sslrootcert=/etc/ca.pem", "`ca_cert`"),
        ("postgres://h/db?sslkey=/etc/key.pem", "`client_key`"),
        ("postgres://h/db?sslmode=perhaps", "sslmode of disable, allow, prefer, require"),
        ("postgres://h/db?ssl=perhaps", "true or false"),
    ],
)
def test_invalid_postgresql_connection_strings_are_rejected_with_a_reason(text, message):
    target = Postgres(connection_string=text)
    if not message:  # the host stands twice: the first counts, as for libpq
        assert postgres(text).host == "h"
        return
    with pytest.raises(InvalidField) as raised:
        postgres_ssl_mode(target, postgres_parameters(target))
    assert raised.value.field == "connection_string"
    assert message in raised.value.reason


@pytest.mark.parametrize(
    ("query", "mode"),
    [
        ("", SslMode.PREFER),
        *((f"sslmode={one.value}", one) for one in SslMode),
        ("sslmode=allow", SslMode.PREFER),
        ("ssl=true", SslMode.REQUIRE),
        ("ssl=false", SslMode.DISABLE),
        ("ssl=verify-full", SslMode.VERIFY_FULL),
        ("sslmode=require&channel_binding=require&connect_timeout=10&application_name=x", SslMode.REQUIRE),
        ("target_session_attrs=read-write&client_encoding=UTF8&keepalives=1", SslMode.PREFER),
        ("pgbouncer=true&connection_limit=1&pool_timeout=0", SslMode.PREFER),
    ],
)
def test_a_mode_of_postgresql_is_honoured_and_the_rest_ignored(query, mode):
    target = Postgres(connection_string=f"postgres://h/d?{query}")
    assert postgres_ssl_mode(target, postgres_parameters(target)) is mode


@pytest.mark.parametrize(
    ("query", "settings"),
    [
        ("schema=shop", {"search_path": "shop"}),
        ("currentSchema=a,b", {"search_path": "a,b"}),
        ("options=-csearch_path%3Dshop", {"options": "-csearch_path=shop"}),
    ],
)
def test_postgresql_search_path_and_options_are_passed_on(query, settings):
    assert postgres_settings(postgres(f"postgres://h/d?{query}")) == settings


@pytest.mark.parametrize(
    ("query", "encryption"),
    [
        ("", PLAINTEXT),
        ("ssl-mode=DISABLED", PLAINTEXT),
        ("ssl-mode=PREFERRED", OPPORTUNISTIC),
        ("ssl-mode=REQUIRED", UNVERIFIED),
        ("sslMode=VERIFY_CA", UNVERIFIED_NAME),
        ("ssl_mode=VERIFY_IDENTITY", VERIFIED),
        ("sslmode=require", UNVERIFIED),
        ("ssl=true", VERIFIED),
        ("ssl=false", PLAINTEXT),
        ("ssl=%7B%22rejectUnauthorized%22%3Afalse%7D", UNVERIFIED),
        ("ssl=%7B%22rejectUnauthorized%22%3Atrue%7D", VERIFIED),
        ("tls=true", VERIFIED),
        ("tls=skip-verify", UNVERIFIED),
        ("tls=preferred", OPPORTUNISTIC),
        ("useSSL=true&verifyServerCertificate=false", UNVERIFIED),
        ("useSSL=true&requireSSL=true&serverTimezone=UTC&allowPublicKeyRetrieval=true", VERIFIED),
        ("charset=utf8mb4&connect_timeout=5&parseTime=True&loc=Local&collation=utf8mb4_bin", PLAINTEXT),
    ],
)
def test_mysql_tls_options_set_the_encryption(query, encryption):
    target = Mysql(connection_string=f"mysql://u:p@h/d?{query}")
    assert mysql_encryption(target, mysql_parameters(target)) == encryption


@pytest.mark.parametrize(
    "query", ["ssl-mode=perhaps", "ssl={", "ssl=Amazon%20RDS", "ssl-ca=/x", "tls=custom", "sokcet=/x"]
)
def test_unknown_or_unsupported_mysql_options_are_rejected(query):
    target = Mysql(connection_string=f"mysql://u:p@h/d?{query}")
    with pytest.raises(InvalidField, match="connection_string"):
        mysql_encryption(target, mysql_parameters(target))


@pytest.mark.parametrize(
    ("text", "database", "encryption"),
    [
        ("redis://h", "", Encryption(tls=False)),
        ("redis://h/3", "3", Encryption(tls=False)),
        ("redis://h/3?db=4&protocol=3", "4", Encryption(tls=False)),
        ("valkeys://h", "", Encryption(tls=True)),
        ("rediss://h?ssl_cert_reqs=none", "", Encryption(tls=True, verify_certificate=False, verify_hostname=False)),
        ("rediss://h?ssl_cert_reqs=CERT_REQUIRED", "", Encryption(tls=True)),
        ("rediss://h?skip_verify=true", "", Encryption(tls=True, verify_certificate=False, verify_hostname=False)),
        ("redis://h?tls=true", "", Encryption(tls=True)),
    ],
)
def test_redis_options_of_a_connection_string_are_used(text, database, encryption):
    target = Redis(connection_string=text)
    login = redis_parameters(target)
    assert (login.database, redis_encryption(target, login)) == (database, encryption)


@pytest.mark.parametrize(
    ("query", "encryption"),
    [
        ("tls=true", Encryption(tls=True)),
        ("ssl=true&replicaSet=rs0&retryWrites=true&w=majority", Encryption(tls=True)),
        ("tls=true&tlsInsecure=true", Encryption(tls=True, verify_certificate=False, verify_hostname=False)),
        (
            "tls=true&tlsAllowInvalidCertificates=true",
            Encryption(tls=True, verify_certificate=False, verify_hostname=False),
        ),
        ("compressors=zlib&uuidRepresentation=standard", Encryption(tls=False)),
        ("authMechanism=SCRAM-SHA-256&authSource=admin", Encryption(tls=False)),
    ],
)
def test_mongodb_options_of_a_connection_string_are_used(query, encryption):
    assert mongodb_cluster(Mongodb(connection_string=f"mongodb://u:p@h1:1,h2/d?{query}")).encryption == encryption


@pytest.mark.parametrize(
    ("text", "login", "encryption"),
    [
        ("Server=h,14;Database=d;User Id=u;Password=p", ("h", 14, "u", "p", "d"), Encryption(tls=True)),
        ("Data Source=tcp:h;UID=u;PWD='p;w';Encrypt=False", ("h", 1433, "u", "p;w", ""), Encryption(tls=False)),
        (
            "Server=(local);Integrated Security=false;Packet Size=8000",
            ("127.0.0.1", 1433, "", "", ""),
            Encryption(tls=True),
        ),
        (
            "Server=h;TrustServerCertificate=yes;ApplicationIntent=ReadOnly",
            ("h", 1433, "", "", ""),
            Encryption(tls=True, verify_certificate=False, verify_hostname=False),
        ),
        ("sqlserver://u:p@h:14?database=d&encrypt=true&app+name=x", ("h", 14, "u", "p", "d"), Encryption(tls=True)),
        ("mssql+pyodbc://u:p@h/d?driver=ODBC+Driver+17", ("h", 1433, "u", "p", "d"), Encryption(tls=True)),
    ],
)
def test_sql_server_options_of_a_connection_string_are_used(text, login, encryption):
    target = Sqlserver(connection_string=text)
    found = sqlserver_parameters(target)
    assert (found.host, found.port, found.username, found.password, found.database) == login
    assert sqlserver_encryption(target, found) == encryption


@pytest.mark.parametrize("lists", [POSTGRES, MYSQL, REDIS, MONGODB, SQLSERVER])
def test_an_option_is_in_one_list(lists):
    assert not lists.supported & lists.ignored
    assert not (lists.supported | lists.ignored) & lists.files.keys()
    assert all(name == name.lower().replace("-", "").replace("_", "") for name in lists.supported | lists.ignored)


READERS = {
    "postgresql": lambda text: postgres_ssl_mode(Postgres(connection_string=text), postgres(text)),
    "mysql": lambda text: mysql_encryption(
        Mysql(connection_string=text), mysql_parameters(Mysql(connection_string=text))
    ),
    "redis": lambda text: redis_parameters(Redis(connection_string=text)),
    "mongodb": lambda text: mongodb_cluster(Mongodb(connection_string=text)),
    "sqlserver": lambda text: sqlserver_parameters(Sqlserver(connection_string=text)),
}


def field_named_by(read: Callable[[str], object], text: str) -> str:
    """The field that a refusal names; nothing when there is none."""
    try:
        read(text)
    except InvalidField as raised:
        return raised.field
    return ""


@given(
    scheme=st.sampled_from(sorted(READERS)), rest=st.text("ab:/@?#&=%[],;.1é \n", max_size=40) | st.text(max_size=40)
)
def test_any_connection_string_is_parsed_or_rejected_with_the_field(scheme, rest):
    for text in (f"{scheme}://{rest}", f"x{rest}"):
        assert field_named_by(READERS[scheme], text) in {"", "connection_string"}
