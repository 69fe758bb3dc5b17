"""Targets that are databases. Checks only read and commit nothing; functions may do what the user may."""

import re
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from schema.assertions import Assertions
from schema.field_types import Port, Secret
from schema.targets.encryption import (
    CaCert,
    ClientCert,
    ClientKey,
    ConnectionString,
    IgnoreTlsErrors,
    OptionalHost,
    require_one_address,
)
from schema.targets.transact import require_single_statement

REDIS_COMMANDS = frozenset(
    {
        "PING",
        "ECHO",
        "GET",
        "MGET",
        "EXISTS",
        "TYPE",
        "TTL",
        "PTTL",
        "STRLEN",
        "GETRANGE",
        "HGET",
        "HLEN",
        "HEXISTS",
        "LLEN",
        "LINDEX",
        "SCARD",
        "SISMEMBER",
        "ZCARD",
        "ZSCORE",
        "ZCOUNT",
        "XLEN",
        "DBSIZE",
        "INFO",
        "LASTSAVE",
        "TIME",
        "ROLE",
    }
)

MYSQL_FILE_OUTPUT = re.compile(r"\b(?:OUTFILE|DUMPFILE)\b", re.IGNORECASE)  # a read-only transaction allows them

Username = Annotated[str, Meta(max_length=255, description="User name at the server. Empty: none.")]
Database = Annotated[str, Meta(max_length=128, description="Name of the database. Empty: the default of the server.")]
Query = Annotated[str, Meta(min_length=4, max_length=8_192, description="One statement that only reads.")]

Column = Annotated[
    str, Meta(max_length=128, description="Name of the column with the value for assertions. Empty: the first column.")
]


def require_read_statement(query: str, words: tuple[str, ...]) -> None:
    """Raises ValueError unless the statement begins with one of these words."""
    begins = re.match(r"\s*(\w*)", query)
    if begins is None or begins.group(1).upper() not in words:
        raise ValueError(f"`query` must begin with {', '.join(words[:-1])} or {words[-1]}")


class DatabaseTarget(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The address of a database and the credentials for it, as fields or as a connection string."""

    host: OptionalHost = ""
    port: Port
    connection_string: ConnectionString = ""
    username: Username = ""
    password: Secret = ""

    def __post_init__(self) -> None:
        """Raises ValueError unless there is either a host or a connection string."""
        require_one_address(self.host, self.connection_string)


class Redis(DatabaseTarget, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="redis"):
    """A Redis, Valkey or KeyDB server: runs a read-only command."""

    port: Port = 6379
    database: Annotated[int, Meta(ge=0, le=65_535, description="Number of the database.")] = 0
    command: Annotated[
        str,
        Meta(
            min_length=2,
            max_length=512,
            description="One read-only command; its words are separated by spaces.",
        ),
    ] = "PING"
    tls: Annotated[bool, Meta(description="Connect with TLS, like `rediss://`.")] = False
    ignore_tls_errors: IgnoreTlsErrors = False
    ca_cert: CaCert = ""
    client_cert: ClientCert = ""
    client_key: ClientKey = ""
    assertions: Assertions = []

    def __post_init__(self) -> None:
        """Raises ValueError for a command that could change something."""
        super().__post_init__()
        if not REDIS_COMMANDS.intersection(self.command.upper().split()[:1]):
            raise ValueError(f"`command` must begin with one of {', '.join(sorted(REDIS_COMMANDS))}")


class SslMode(StrEnum):
    """How strict a PostgreSQL connection is about TLS; the names are PostgreSQL's own."""

    DISABLE = "disable"
    PREFER = "prefer"
    REQUIRE = "require"
    VERIFY_CA = "verify-ca"
    VERIFY_FULL = "verify-full"


class Postgres(DatabaseTarget, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="postgres"):
    """A PostgreSQL server: runs a read-only query."""

    port: Port = 5432
    database: Database = ""
    query: Query = "SELECT 1"
    column: Column = ""
    sslmode: Annotated[SslMode, Meta(description="TLS mode, as in PostgreSQL's `sslmode`.")] = SslMode.PREFER
    ca_cert: CaCert = ""
    client_cert: ClientCert = ""
    client_key: ClientKey = ""
    assertions: Assertions = []

    def __post_init__(self) -> None:
        """Raises ValueError for a query that does not read."""
        super().__post_init__()
        require_read_statement(self.query, ("SELECT", "WITH", "VALUES", "TABLE", "SHOW", "EXPLAIN"))


class Mysql(DatabaseTarget, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="mysql"):
    """A MySQL or MariaDB server: runs a read-only query."""

    port: Port = 3306
    database: Database = ""
    query: Query = "SELECT 1"
    column: Column = ""
    tls: Annotated[bool, Meta(description="Require TLS. false: never use TLS.")] = False
    ignore_tls_errors: IgnoreTlsErrors = False
    ca_cert: CaCert = ""
    client_cert: ClientCert = ""
    client_key: ClientKey = ""
    assertions: Assertions = []

    def __post_init__(self) -> None:
        """Raises ValueError for a query that does not read, or that writes a file."""
        super().__post_init__()
        require_read_statement(self.query, ("SELECT", "WITH", "VALUES", "TABLE", "SHOW", "EXPLAIN", "DESCRIBE", "DESC"))
        if MYSQL_FILE_OUTPUT.search(self.query):
            raise ValueError("`query` must not write a file")


class Sqlserver(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="sqlserver"):
    """A Microsoft SQL Server: runs a read-only query."""

    host: OptionalHost = ""
    port: Port = 1433
    connection_string: ConnectionString = ""
    username: Username = ""
    password: Secret = ""
    database: Database = ""
    query: Query = "SELECT 1"
    column: Column = ""
    tls: Annotated[bool, Meta(description="Require TLS. false: never use TLS.")] = True
    ignore_tls_errors: IgnoreTlsErrors = False
    ca_cert: CaCert = ""
    client_cert: ClientCert = ""
    client_key: ClientKey = ""
    assertions: Assertions = []

    def __post_init__(self) -> None:
        """Raises ValueError for a query that does not read, or more than one."""
        require_one_address(self.host, self.connection_string)
        require_read_statement(self.query, ("SELECT", "WITH"))
        require_single_statement(self.query)


MONGODB_COMMANDS = frozenset(
    {
        "aggregate",
        "buildInfo",
        "collStats",
        "connectionStatus",
        "count",
        "dbStats",
        "distinct",
        "find",
        "hello",
        "hostInfo",
        "listCollections",
        "listDatabases",
        "ping",
        "replSetGetStatus",
        "serverStatus",
    }
)
MONGODB_FORBIDDEN = frozenset({"$out", "$merge", "$where", "$function", "$accumulator", "$db", "lsid", "txnNumber"})


class Mongodb(DatabaseTarget, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="mongodb"):
    """A MongoDB server: runs a read-only command."""

    port: Port = 27017
    auth_database: Annotated[str, Meta(max_length=64, description="Database that stores the user.")] = "admin"
    database: Annotated[str, Meta(max_length=64, description="Database that the command runs on. Empty: `admin`.")] = ""
    command: Annotated[
        str,
        Meta(min_length=2, max_length=8_192, description="One read-only command: JSON, or only its name."),
    ] = "ping"
    path: Annotated[
        str, Meta(max_length=255, description="Path of the value in the response: names and indexes separated by dots.")
    ] = ""
    tls: Annotated[bool, Meta(description="Connect with TLS, like `mongodb+srv://`.")] = False
    ignore_tls_errors: IgnoreTlsErrors = False
    ca_cert: CaCert = ""
    client_cert: ClientCert = ""
    client_key: ClientKey = ""
    assertions: Assertions = []

    def __post_init__(self) -> None:
        """Raises ValueError for a command that could change something."""
        super().__post_init__()
        if self.command in MONGODB_COMMANDS:
            return
        try:
            command = msgspec.json.decode(self.command)
        except (msgspec.DecodeError, RecursionError) as error:
            raise ValueError("`command` must be a command's name or a JSON object") from error
        if not isinstance(command, dict) or next(iter(command), "") not in MONGODB_COMMANDS:
            raise ValueError(f"`command` must begin with one of {', '.join(sorted(MONGODB_COMMANDS))}")
        if refused := sorted(MONGODB_FORBIDDEN & _names_in(command)):
            raise ValueError(f"`command` must not have {', '.join(refused)}")


def _names_in(value: object) -> set[str]:
    """Every name in an object, at any depth."""
    if isinstance(value, dict):
        return set(value).union(*map(_names_in, value.values()))
    return set().union(*map(_names_in, value)) if isinstance(value, list) else set()
