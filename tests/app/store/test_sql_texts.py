"""Statements written as SQL text are counted, and none of them is one that Piccolo can express.

`python -m tests.app.store.test_sql_texts` prints the table of counts, and the plain statements.
"""

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

APP = Path(__file__).parents[3] / "app"
UNKNOWN = "…"  # a value that is known at run time only

# By module: its statements that are SQL text. A number changes only on purpose.
STATEMENTS = {
    "db.py": 3,
    "store/alerting/channel_rows.py": 1,
    "store/alerting/channels.py": 2,
    "store/alerting/claim_facts.py": 7,
    "store/alerting/deleted_channels.py": 2,
    "store/alerting/delivery_claims.py": 4,
    "store/alerting/delivery_queries.py": 4,
    "store/alerting/delivery_queue.py": 3,
    "store/alerting/delivery_resend.py": 1,
    "store/alerting/delivery_results.py": 7,
    "store/alerting/expiry_notices.py": 4,
    "store/alerting/lease_owners.py": 4,
    "store/alerting/outbox.py": 4,
    "store/alerting/webhook_deliveries.py": 1,
    "store/audit/chain.py": 2,
    "store/audit/failed_logins.py": 1,
    "store/audit/log.py": 1,
    "store/history/completeness.py": 3,
    "store/history/gaps.py": 2,
    "store/history/heartbeats.py": 4,
    "store/history/result_queries.py": 2,
    "store/history/retention.py": 3,
    "store/history/rollups.py": 3,
    "store/identity/api_key_auth.py": 3,
    "store/identity/api_keys.py": 1,
    "store/identity/login_failures.py": 1,
    "store/identity/mfa.py": 1,
    "store/identity/session_queries.py": 1,
    "store/identity/sessions.py": 2,
    "store/identity/user_admin.py": 1,
    "store/identity/users.py": 1,
    "store/identity/viewer_tags.py": 2,
    "store/incidents/escalation_policies.py": 2,
    "store/incidents/incident_lifecycle.py": 8,
    "store/incidents/incident_queries.py": 1,
    "store/incidents/incident_rows.py": 1,
    "store/incidents/timeline.py": 2,
    "store/listing.py": 2,
    "store/monitoring/dependencies.py": 8,
    "store/monitoring/groups.py": 3,
    "store/monitoring/monitor_links.py": 5,
    "store/monitoring/proxies.py": 5,
    "store/monitoring/schedule_coverage.py": 1,
    "store/monitoring/series.py": 8,
    "store/monitoring/state.py": 5,
    "store/monitoring/tags.py": 1,
    "store/system/idempotency.py": 2,
    "store/transactions/escalations.py": 5,
    "store/transactions/future_instants.py": 13,
    "store/transactions/monitors.py": 1,
    "store/transactions/results.py": 3,
    "store/visibility.py": 2,
}
HOT = "it runs within requests or batches, and a Piccolo query takes longer: the module's docstring has the figure"
PARTIAL_INDEX = "SQLite and PostgreSQL use a partial index only for literal values, which Piccolo sends as parameters"
# By module and beginning: plain statements that stay SQL text, and why.
PLAIN_ON_PURPOSE = {
    ("db.py", "SELECT 1 AS one"): "it is about no table",
    ("store/alerting/delivery_results.py", "SELECT * FROM channels"): HOT,
    ("store/alerting/delivery_results.py", "UPDATE deliveries SET next_attempt_ms"): PARTIAL_INDEX,
    ("store/alerting/delivery_results.py", "SELECT id, channel_id FROM deliveries"): PARTIAL_INDEX,
    ("store/alerting/lease_owners.py", "SELECT DISTINCT lease_owner"): PARTIAL_INDEX,
    ("store/identity/users.py", "SELECT id, username"): HOT,
    ("store/identity/viewer_tags.py", "SELECT tag_id FROM viewer_tags"): HOT,
    ("store/listing.py", UNKNOWN): "each resource's own statements, which search or join",
    ("store/transactions/future_instants.py", "UPDATE deliveries SET lease_until_ms"): PARTIAL_INDEX,
    ("store/system/idempotency.py", "UPDATE idempotency SET status"): HOT,
}
BEYOND_PICCOLO = re.compile(
    r"\{each|\bJOIN\b|\bWITH\b|\(\s*SELECT\b|\bON CONFLICT\b|\bFOR (?:NO KEY )?(?:UPDATE|SHARE)\b|\bCASE\b|\bUNION\b"
    # a call of a function, but not `INSERT INTO table (columns) VALUES`
    r"|\b(?!(?:count|min|max|in|values|and|or|not|where|set)\b)[a-z_]+\s*\((?![^()]*\)\s*VALUES\b)",
    re.IGNORECASE,
)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
Scope = ast.FunctionDef | ast.AsyncFunctionDef | None


class SqlText(NamedTuple):
    """A statement: where it is, and its text, as far as it can be read."""

    module: str
    line: int
    text: str


class ModuleTexts:
    """Reads the texts of expressions in one module; what it imports is read where that is defined."""

    def __init__(self, path: Path) -> None:
        self.tree = ast.parse(path.read_text(encoding="utf-8"))
        self.constants = {name: value for node in self.tree.body for name, value in _assigned(node)}
        self.functions = {node.name: node for node in ast.walk(self.tree) if isinstance(node, FUNCTIONS)}
        self.imports = dict(_imported_names(self.tree))

    def text(self, node: ast.expr, scope: Scope) -> str:
        """The text of an expression; of alternatives, all of them."""
        match node:
            case ast.Constant(value=str(text)):
                return text
            case ast.Name(id=name):
                return self._named(name, scope)
            case ast.Attribute(value=ast.Name(id=module), attr=name):
                return self._imported(f"{self.imports.get(module, '')}.{name}")
        parts = [self.text(part, scope) for part in _parts(node)]
        return (" " if isinstance(node, ast.Call) else "").join(parts) or UNKNOWN

    def _named(self, name: str, scope: Scope) -> str:
        """The text of a variable, a parameter, a constant, or of what a function returns."""
        if scope and (
            values := [value for node in ast.walk(scope) for found, value in _assigned(node) if found == name]
        ):
            return "".join(self.text(value, None if _mentions(value, name) else scope) for value in values)
        if scope and name in (names := [one.arg for one in scope.args.args]):
            return " ".join(self._arguments(scope.name, names.index(name)))
        if name in self.constants:
            return self.text(self.constants[name], None)
        if function := self.functions.get(name):
            returns = [node.value for node in ast.walk(function) if isinstance(node, ast.Return) and node.value]
            return "".join(self.text(value, function) for value in returns)
        return self._imported(self.imports.get(name, ""))

    def _arguments(self, function: str, position: int) -> Iterator[str]:
        """What the module itself calls a function with."""
        for call, scope in _calls(self.tree):
            if isinstance(call.func, ast.Name) and call.func.id == function and len(call.args) > position:
                yield self.text(call.args[position], scope)

    def _imported(self, dotted: str) -> str:
        module, _, name = dotted.rpartition(".")
        path = APP.parent / (module.replace(".", "/") + ".py")
        return texts_of(path)._named(name, None) if path.is_file() else UNKNOWN


def _parts(node: ast.expr) -> list[ast.expr]:
    """The expressions whose texts make up the text of this one."""
    match node:
        case ast.FormattedValue(value=inner) | ast.Subscript(value=inner):
            return [inner]
        case ast.JoinedStr(values=parts) | ast.Dict(values=parts) | ast.Tuple(elts=parts):
            return parts
        case ast.BinOp(left=first, right=second) | ast.IfExp(body=first, orelse=second):
            return [first, second]
        case ast.Call(func=ast.Attribute(value=inner, attr="format" | "replace" | "join"), args=args):
            return [inner, *args]
        case ast.Call(func=ast.Name() | ast.Attribute() as function):
            return [function]
    return []


@cache
def texts_of(path: Path) -> ModuleTexts:
    return ModuleTexts(path)


def _assigned(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    match node:
        case (
            ast.Assign(targets=[ast.Name(id=name)], value=value) | ast.AugAssign(target=ast.Name(id=name), value=value)
        ):
            yield name, value
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
            yield name, value
        case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
            yield from (
                (name.id, value) for name, value in zip(names, values, strict=False) if isinstance(name, ast.Name)
            )


def _mentions(node: ast.expr, name: str) -> bool:
    return any(isinstance(part, ast.Name) and part.id == name for part in ast.walk(node))


def _imported_names(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from ((one.asname or one.name, f"{node.module}.{one.name}") for one in node.names)


def _calls(node: ast.AST, scope: Scope = None) -> Iterator[tuple[ast.Call, Scope]]:
    """Every call, with the function that it is in."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call):
            yield child, scope
        yield from _calls(child, child if isinstance(child, FUNCTIONS) else scope)


def _runs_sql(call: ast.Call) -> bool:
    """`db.rows(…)`, which in `db` itself is `rows(…)`, or Piccolo's `SomeRow.raw(…)`."""
    match call.func:
        case ast.Attribute(value=ast.Name(id="db"), attr="rows") | ast.Name(id="rows"):
            return True
        case ast.Attribute(value=ast.Name(), attr="raw"):
            return True
    return False


@cache
def sql_texts() -> tuple[SqlText, ...]:
    """Every statement of the application that is SQL text."""
    return tuple(
        SqlText(
            path.relative_to(APP).as_posix(), call.lineno, " ".join(texts_of(path).text(call.args[0], scope).split())
        )
        for path in sorted(APP.rglob("*.py"))
        for call, scope in _calls(texts_of(path).tree)
        if _runs_sql(call)
    )


def counts() -> dict[str, int]:
    return dict(sorted(Counter(one.module for one in sql_texts()).items()))


def is_plain(text: str) -> bool:
    """Whether a statement is about one table, and Piccolo can express it."""
    return not BEYOND_PICCOLO.search(text)


def plain_texts() -> list[SqlText]:
    return [one for one in sql_texts() if is_plain(one.text)]


def _is_on_purpose(one: SqlText) -> bool:
    return any(one.module == module and one.text.startswith(start) for module, start in PLAIN_ON_PURPOSE)


def test_the_statements_of_every_module_are_counted() -> None:
    assert counts() == STATEMENTS


def test_no_plain_statement_is_sql_text() -> None:
    assert [one for one in plain_texts() if not _is_on_purpose(one)] == []


def test_plain_statements_on_purpose_exist() -> None:
    found = {
        key for key in PLAIN_ON_PURPOSE for one in plain_texts() if one[0] == key[0] and one.text.startswith(key[1])
    }
    assert found == set(PLAIN_ON_PURPOSE)


def test_a_store_module_documents_its_sql() -> None:
    modules = {one.module for one in sql_texts() if one.module.startswith("store/")}
    assert [one for one in sorted(modules) if "SQL" not in (ast.get_docstring(texts_of(APP / one).tree) or "")] == []


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("SELECT id FROM users WHERE role = ?1 AND (active OR id IN ('a')) ORDER BY id LIMIT 1", True),
        ("SELECT count(*) AS n, max(at_ms) FROM events WHERE NOT (at_ms > ?1)", True),
        ("INSERT INTO tags (id, name) VALUES (?1, ?2) RETURNING id", True),
        ("UPDATE users SET version = version + 1 WHERE id = ?1", True),
        ("INSERT INTO tags (id, name) VALUES (?1, lower(?2))", False),
        ("INSERT INTO tags (id) VALUES (?1) ON CONFLICT DO NOTHING", False),
        ("SELECT id FROM users WHERE id IN (SELECT user_id FROM sessions)", False),
        ("SELECT u.id FROM users u JOIN sessions s ON s.user_id = u.id", False),
        ("SELECT id FROM users FOR UPDATE", False),
        ("SELECT value->>0 FROM {each:1}", False),
        ("SELECT min_interval(id) FROM users", False),
    ],
)
def test_a_statement_is_plain_when_piccolo_can_express_it(text: str, plain: bool) -> None:  # noqa: FBT001  # a table
    assert is_plain(text) is plain


if __name__ == "__main__":
    sys.stdout.write("".join(f'    "{module}": {n},\n' for module, n in counts().items()))
    sys.stdout.write(f"{sum(counts().values())} statements\n")
    for one in plain_texts():
        reason = "on purpose" if _is_on_purpose(one) else "PICCOLO CAN EXPRESS IT"
        sys.stdout.write(f"plain, {reason}: app/{one.module}:{one.line}: {one.text}\n")
