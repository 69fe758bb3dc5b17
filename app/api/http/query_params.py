"""What stands in an address: a path that can be kept, declared query parameters only, instants that are dates."""

import re
from datetime import datetime
from itertools import chain
from typing import Any

from litestar import Litestar, Request
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from app.domain.validation.structs import UNSTORABLE_TEXT, is_storable
from app.errors import Invalid, NotFound
from schema.errors import FieldError

KNOWN_PARAMETERS = "query_parameters"  # where `declare` notes what a handler knows
INSTANT_PARAMETERS = "query_instants"  # which of them are dates
ANY_PARAMETER = "any_query"  # `opt={ANY: True}` on a handler lets every parameter through
SANITIZED = "cleaned_query"  # `opt={CLEANED: True}`: every parameter with any text, which the handler makes plain
DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]")  # the rest is read strictly; a bare number would be taken for seconds


def declare_parameters(app: Litestar) -> None:
    """Note on every handler which query parameters it, its dependencies and its layers declare."""
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for handler, model in route.route_handler_map.values():
                known = frozenset(one.field_alias for one in model.expected_query_params)
                handler.opt[KNOWN_PARAMETERS], handler.opt[INSTANT_PARAMETERS] = (
                    known,
                    known & _instant_parameters(handler),
                )


def _instant_parameters(handler: HTTPRouteHandler) -> frozenset[str]:
    """Names of the parameters of the handler and its dependencies that are instants."""
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
    """Raise NotFound for a path with a text that no database keeps: nothing of ours has such a name."""
    if not is_storable(request.scope["path"]):
        raise NotFound("There is no such path: it has the character U+0000, or half a surrogate pair.")


async def validate_parameters(request: Request[Any, Any, Any]) -> None:
    """Raise Invalid, naming every unknown parameter. Runs before each handler, after its guards."""
    if not request.scope["query_string"]:
        return
    opt = request.route_handler.opt
    known: frozenset[str] = opt.get(KNOWN_PARAMETERS, frozenset())
    if opt.get(SANITIZED):
        return
    strange = [name for name in dict.fromkeys(request.query_params) if name not in known]
    if strange and not opt.get(ANY_PARAMETER):
        hint = f"known are {', '.join(sorted(known))}" if known else "this path has none"
        raise Invalid([FieldError(name, f"is not a known query parameter: {hint}") for name in strange])
    instants: frozenset[str] = opt.get(INSTANT_PARAMETERS, frozenset())
    if undated := [name for name in request.query_params if name in instants and not _is_date_time(request, name)]:
        raise Invalid([FieldError(name, "must be a date and time like 2026-11-22T08:00:00Z") for name in undated])
    pairs = request.query_params.multi_items()
    if held := [name for name, text in pairs if not (is_storable(text) and is_storable(name))]:
        raise Invalid([FieldError(name, UNSTORABLE_TEXT) for name in held])


def _is_date_time(request: Request[Any, Any, Any], name: str) -> bool:
    return all(DATE_TIME.match(text) for text in request.query_params.getall(name))
