"""Query parameters: a name that the handler does not declare is refused, never ignored."""

from typing import Any

from litestar import Litestar, Request
from litestar.routes import HTTPRoute

from app.errors import Invalid
from schema.errors import FieldError

OPT = "query_parameters"  # where `declare` notes what a handler knows
ANY = "any_query"  # `opt={ANY: True}` on a handler lets everything through


def declare(app: Litestar) -> None:
    """Note on every handler which query parameters it, its dependencies and its layers declare."""
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for handler, model in route.route_handler_map.values():
                handler.opt[OPT] = frozenset(one.field_alias for one in model.expected_query_params)


async def refuse_unknown(request: Request[Any, Any, Any]) -> None:
    """Raise Invalid, naming every unknown parameter. Runs before each handler, after its guards."""
    opt = request.route_handler.opt
    known: frozenset[str] = opt.get(OPT, frozenset())
    strange = [name for name in dict.fromkeys(request.query_params) if name not in known]
    if strange and not opt.get(ANY):
        hint = f"known are {', '.join(sorted(known))}" if known else "this path has none"
        raise Invalid([FieldError(name, f"is not a known query parameter: {hint}") for name in strange])
    if held := [name for name, text in request.query_params.multi_items() if "\0" in text]:
        raise Invalid([FieldError(name, "must not contain the character U+0000") for name in held])
