"""Reads every log event from the source: its name and its levels. An unreadable call is an error.

A logger is made by `structlog.get_logger()`, in each module. It is used to log, and for nothing else; the event is a
constant, written in the call or as a constant of the module.
"""

import ast
import re
from collections.abc import Iterator

LEVELS = {name: name for name in ("debug", "info", "warning", "error", "critical")} | {"exception": "error"}
EVENT = re.compile(r"[a-z_]+\.[a-z_]+")


class UnreadableEventError(Exception):
    """A logger is used so that its events can't be read."""

    def __init__(self, node: ast.expr, message: str) -> None:
        super().__init__(f"line {node.lineno}: {message}")


def read_events(source: str) -> dict[str, set[str]]:
    """Event → the levels that it is logged at. Raises UnreadableEventError."""
    tree = ast.parse(source)
    calls = dict(_log_calls(tree))
    found: dict[str, set[str]] = {}
    for call, levels in calls.items():
        for event in _events_in(call.args[0], _constants(tree)):
            found.setdefault(event, set()).update(levels)
    for call in _calls(tree):
        if call not in calls and _looks_like_logging(call):
            raise UnreadableEventError(call, "the logger of this call was made elsewhere")
    return found


def _calls(tree: ast.Module) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _looks_like_logging(call: ast.Call) -> bool:
    match call:
        case ast.Call(func=ast.Attribute(attr=method), args=[ast.Constant(value=str(text)), *_]):
            return method in LEVELS and bool(EVENT.fullmatch(text))
    return False


def _log_calls(tree: ast.Module) -> Iterator[tuple[ast.Call, set[str]]]:
    """Every call of a logger's method, also by another name: `write = log.debug if quiet else log.info`."""
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    names: dict[str, set[str]] = {}
    for logger in _uses_of_loggers(tree, parents):
        method = parents[logger]
        if not isinstance(method, ast.Attribute) or method.attr not in LEVELS:
            raise UnreadableEventError(logger, "a logger is used for something else than to log")
        user = parents[method]
        match parents[user] if isinstance(user, ast.IfExp) else user:
            case ast.Call(func=function) as call if function is method:
                yield call, {LEVELS[method.attr]}
            case ast.Assign(targets=[ast.Name(id=name)]):
                names.setdefault(name, set()).add(LEVELS[method.attr])
            case _:
                raise UnreadableEventError(logger, "a logger's method is passed on")
    for call in _calls(tree):
        if isinstance(call.func, ast.Name) and call.func.id in names:
            yield call, names[call.func.id]


def _uses_of_loggers(tree: ast.Module, parents: dict[ast.AST, ast.AST]) -> Iterator[ast.expr]:
    """Every expression that is a logger: its name, or `structlog.get_logger()` itself."""
    names = set[str]()
    for call in _calls(tree):
        if isinstance(call.func, ast.Attribute) and call.func.attr == "get_logger":
            match parents[call]:
                case ast.Assign(targets=[ast.Name(id=name)]):
                    names.add(name)
                case _:
                    yield call
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in names and isinstance(node.ctx, ast.Load):
            yield node


def _constants(tree: ast.Module) -> dict[str, str]:
    """The texts among the module's constants."""
    found: dict[str, str] = {}
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str(text))):
                found[name] = text
    return found


def _events_in(argument: ast.expr, constants: dict[str, str]) -> Iterator[str]:
    match argument:
        case ast.Constant(value=str(event)):
            yield event
        case ast.Name(id=name) if name in constants:
            yield constants[name]
        case ast.IfExp(body=first, orelse=second):
            yield from _events_in(first, constants)
            yield from _events_in(second, constants)
        case _:
            raise UnreadableEventError(argument, "an event must be a constant")
