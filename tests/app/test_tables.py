"""The tables of the code are those of the migrated database, and a CHECK lists what the code's enumeration lists."""

import ast
import inspect
import pkgutil
import re
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, get_args

import aiosqlite
import asyncpg
import pytest
from piccolo.columns import BigInt, BigSerial, Boolean, Bytea, Column, Integer, Serial, SmallInt, Text
from piccolo.table import Table

from app import db
from app.domain.alerting.delivery_facts import GROUPED, HELD, RESENT
from app.settings import Settings
from app.store import tables
from app.store.alerting import expiry_notices
from app.store.audit import chain
from schema.deliveries import DeliveryState
from schema.incidents import IncidentKind
from schema.status import Role, Status
from schema.targets.composed import GroupAlerts

WITHOUT_CLASS = {
    "expiry_notices": "read and written in batches over JSON arrays only",
    "migration": "Piccolo's own",
}
TOP = Path(__file__).parents[2]
AFFINITIES: dict[type[Column], str] = {
    BigInt: "bigint", BigSerial: "bigint", Integer: "integer", SmallInt: "smallint", Boolean: "boolean", Text: "text",
    Bytea: "bytea", Serial: "integer",
}  # fmt: skip
SQLITE_INTEGERS = {"bigint", "integer", "smallint"}  # one affinity
ROLES = set(Role)
CHECKED = {  # what a CHECK allows, and the code
    ("users", "role"): ROLES,
    ("invitations", "role"): ROLES,
    ("api_keys", "role"): ROLES,
    ("monitors", "group_alerts"): set(GroupAlerts),
    ("series", "status"): {str(int(status)) for status in Status},
    ("channels", "kind"): {"channel", "webhook"},
    ("deliveries", "state"): set(get_args(DeliveryState)),
    ("deliveries", "hold"): {"", HELD, GROUPED, RESENT},
    ("delivery_attempts", "state"): set(get_args(DeliveryState)) - {"sending"},  # it has ended
    ("expiry_notices", "kind"): set(expiry_notices._EVENT_KINDS),
    ("incidents", "kind"): set(IncidentKind),
    ("audit_chain", "name"): set(get_args(chain.MarkName)),
}


class ColumnShape(NamedTuple):
    """The properties of a column that must match on both sides; `default` as text, None: it has none."""

    affinity: str
    nullable: bool
    in_key: bool
    unique: bool  # by itself, and besides the key
    default: str | None


Shapes = dict[str, ColumnShape]


def row_classes() -> dict[str, type[Table]]:
    """By table: every class of `app.store.tables`."""
    modules = [import_module(f"{tables.__name__}.{found.name}") for found in pkgutil.iter_modules(tables.__path__)]
    classes = [one for module in modules for one in vars(module).values() if inspect.isclass(one)]
    return {one._meta.tablename: one for one in classes if issubclass(one, Table) and one is not Table}


def declared_defaults(row: type[Table]) -> set[str]:
    """The columns with a `default=` in the source: Piccolo itself gives every column one."""
    (body,) = ast.parse(inspect.getsource(row)).body
    assert isinstance(body, ast.ClassDef)
    return {
        ast.unparse(line.targets[0])
        for line in body.body
        if isinstance(line, ast.Assign) and isinstance(line.value, ast.Call)
        if any(word.arg == "default" for word in line.value.keywords)
    }


def shapes_of(row: type[Table]) -> Shapes:
    """The columns as the class has them."""
    declared = declared_defaults(row)
    return {
        column._meta.name: ColumnShape(
            affinity=_affinity(AFFINITIES[type(column)]),
            nullable=column._meta.null,
            in_key=column._meta.primary_key,
            unique=column._meta.unique,
            default=_text(column.get_default_value()) if column._meta.name in declared else None,
        )
        for column in row._meta.columns
    }


def _affinity(type_: str) -> str:
    return "integer" if db.is_sqlite() and type_ in SQLITE_INTEGERS else type_.replace("blob", "bytea")


def _text(default: Any) -> str | None:
    return None if default is None else str(int(default)) if isinstance(default, bool) else str(default)


async def stored_tables() -> set[str]:
    """The tables of the database."""
    if db.is_sqlite():
        found = await db.rows("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    else:
        found = await db.rows("SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'")
    return {row["name"] for row in found}


async def stored_shapes(table: str) -> Shapes:
    """The columns as the database has them."""
    if db.is_sqlite():
        found = await db.rows(
            'SELECT t.name, t.type, t."notnull" AS required, t.pk AS key, t.dflt_value AS preset, EXISTS ('
            """SELECT 1 FROM pragma_index_list(?1) i WHERE i."unique" AND i.origin = 'u' AND t.name ="""
            " (SELECT group_concat(name) FROM pragma_index_info(i.name))) AS alone FROM pragma_table_info(?1) t",
            table,
        )
    else:
        found = await db.rows(
            "SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS required,"
            " (SELECT count(*) FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisprimary"
            " AND a.attnum = ANY (i.indkey)) AS key, EXISTS (SELECT 1 FROM pg_constraint c WHERE c.contype = 'u'"
            " AND c.conrelid = a.attrelid AND c.conkey = ARRAY[a.attnum]) AS alone,"
            " pg_get_expr(d.adbin, d.adrelid) AS preset"
            " FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
            " WHERE a.attrelid = CAST(CAST(?1 AS TEXT) AS regclass) AND a.attnum > 0 AND NOT a.attisdropped",
            table,
        )
    return {
        row["name"]: ColumnShape(
            affinity=_affinity(row["type"].lower()),
            nullable=not (row["required"] or row["key"]),  # SQLite lets a key of text be null
            in_key=bool(row["key"]),
            unique=bool(row["alone"]),
            default=_literal(row["preset"]),
        )
        for row in found
    }


def _literal(preset: str | None) -> str | None:
    """`'pending'::text` → `pending`; a sequence is no default."""
    if preset is None or preset.startswith("nextval("):
        return None
    return {"true": "1", "false": "0"}.get(preset, preset.partition("::")[0].strip("'"))


async def checks_of(table: str) -> list[str]:
    """The conditions of a table's CHECKs, as its engine shows them."""
    if db.is_sqlite():
        (row,) = await db.rows("SELECT sql FROM sqlite_master WHERE name = ?1", table)
        return re.findall(r"CHECK \(((?:[^()]|\([^()]*\))*)\)", row["sql"])
    found = await db.rows(
        "SELECT pg_get_constraintdef(oid) AS sql FROM pg_constraint WHERE contype = 'c'"
        " AND conrelid = CAST(CAST(?1 AS TEXT) AS regclass)",
        table,
    )
    return [row["sql"].removeprefix("CHECK ") for row in found]


def parsed_check(condition: str) -> tuple[str, set[str]]:
    """The column of a CHECK, and the values that it allows."""
    column = re.search(r"[a-z_]+", condition)
    assert column
    if texts := re.findall(r"'([^']*)'", condition):
        return column[0], set(texts)
    low, high = re.findall(r"\d+", condition)
    return column[0], {str(number) for number in range(int(low), int(high) + 1)}


async def test_every_table_has_a_class_and_every_class_a_table(store: Settings) -> None:
    assert await stored_tables() == set(row_classes()) | set(WITHOUT_CLASS)


def test_every_class_is_used_by_a_query() -> None:
    places = [path for room in ("app", "actors", "tests") for path in (TOP / room).rglob("*.py")]
    used = set(re.findall(r"\b\w+Row\b", "".join(path.read_text() for path in places if path.parent.name != "tables")))
    assert {row.__name__ for row in row_classes().values()} - used == set()


async def test_a_class_has_the_columns_of_its_table(store: Settings) -> None:
    differing = {
        table: (shapes_of(row), stored)
        for table, row in row_classes().items()
        if (stored := await stored_shapes(table)) != shapes_of(row)
    }
    assert differing == {}


async def test_a_check_allows_what_the_code_enumerates(store: Settings) -> None:
    found = {}
    for table in await stored_tables():
        for column, values in map(parsed_check, await checks_of(table)):
            found[table, column] = values
    assert found == CHECKED


@pytest.mark.parametrize(("table", "column"), CHECKED, ids=map(".".join, CHECKED))
async def test_a_check_refuses_another_value(store: Settings, table: str, column: str) -> None:
    shapes = await stored_shapes(table)
    values = {name: "''" if one.affinity == "text" else "0" for name, one in shapes.items() if _is_required(one)}
    values[column] = "'another'" if shapes[column].affinity == "text" else "6"
    with pytest.raises((aiosqlite.IntegrityError, asyncpg.CheckViolationError), match=rf"(?i)check .*{column}"):
        await db.rows(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({', '.join(values.values())})")


def _is_required(column: ColumnShape) -> bool:
    return not column.nullable and column.default is None
