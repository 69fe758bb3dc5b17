"""Checks on URLs: only storable text, only declared query parameters, and instants that are dates with a zone."""

import re
from datetime import datetime
from itertools import chain
from typing import Any, TypeVar

from litestar import Litestar, Request
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from app import clock
from app.domain.validation.structs import UNSTORABLE_TEXT, is_storable
from app.errors import Invalid, NotFound
from schema.errors import FieldError

Default = TypeVar("Default", int, None)

KNOWN_PARAMETERS = "query_parameters"  # in a handler's `opt`: the parameters it declares
INSTANT_PARAMETERS = "query_instants"  # in a handler's `opt`: those of them that are instants
ANY_PARAMETER = "any_query"  # `opt={ANY_PARAMETER: True}` allows undeclared parameters
SANITIZED = "sanitized_query"  # `opt={SANITIZED: True}` allows any parameter with any text; the handler sanitizes it
DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]")  # the rest is parsed strictly; a bare number would count as seconds


def declare_parameters(app: Litestar) -> None:
    """Store on every handler which query parameters it, its dependencies and its layers declare."""
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for handler, model in route.route_handler_map.values():
                known = frozenset(one.field_alias for one in model.expected_query_params)
                handler.opt[KNOWN_PARAMETERS] = known
                handler.opt[INSTANT_PARAMETERS] = known & _instant_parameters(handler)


def _instant_parameters(handler: HTTPRouteHandler) -> frozenset[str]:
    """Names of the parameters of a handler and its dependencies that are instants."""
    signatures = [
        handler.parsed_fn_signature,
        *(one.parsed_fn_signature for one in handler.resolve_dependencies().values()),
    ]
    return frozenset(
        getattr(field.kwarg_definition, "name", None) or name
        for name, field in chain.from_iterable(one.parameters.items() for one in signatures)
        if field.annotation is datetime or any(inner.annotation is datetime for inner in field.inner_types)
    )


def validate_path(request: Request[Any, Any, Any]) -> None:
    """Raise NotFound for a path with text that no database can store: no resource has such a name."""
    if not is_storable(request.scope["path"]):
        raise NotFound("There is no such path. It contains the character U+0000 or half a surrogate pair.")


async def validate_parameters(request: Request[Any, Any, Any]) -> None:
    """Raise Invalid naming every unknown or malformed parameter. Runs before each handler, after its guards."""
    if not request.scope["query_string"]:
        return
    opt = request.route_handler.opt
    known: frozenset[str] = opt.get(KNOWN_PARAMETERS, frozenset())
    if opt.get(SANITIZED):
        return
    unknown = [name for name in dict.fromkeys(request.query_params) if name not in known]
    if unknown and not opt.get(ANY_PARAMETER):
        hint = f"the parameters are {', '.join(sorted(known))}" if known else "this path has none"
        raise Invalid([FieldError(name, f"is not a known query parameter; {hint}") for name in unknown])
    instants: frozenset[str] = opt.get(INSTANT_PARAMETERS, frozenset())
    if undated := [name for name in request.query_params if name in instants and not _is_date_time(request, name)]:
        raise Invalid([FieldError(name, "must be a date and time like 2026-11-22T08:00:00Z") for name in undated])
    pairs = request.query_params.multi_items()
    if unstorable := [name for name, text in pairs if not (is_storable(text) and is_storable(name))]:
        raise Invalid([FieldError(name, UNSTORABLE_TEXT) for name in unstorable])


def instant_ms(name: str, at: datetime | None, default: Default) -> int | Default:
    """Epoch milliseconds of an instant with a zone, or the default for None. Raises Invalid for one without a zone."""
    if at is None:
        return default
    if at.tzinfo is None:
        raise Invalid.for_field(name, "must have a zone, such as 2026-01-31T12:00:00Z")
    return clock.epoch_ms(at)


def _is_date_time(request: Request[Any, Any, Any], name: str) -> bool:
    return all(DATE_TIME.match(text) for text in request.query_params.getall(name))
