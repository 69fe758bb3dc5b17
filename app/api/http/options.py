"""OPTIONS: the methods of a path. Litestar itself names those of one handler only when a path has several."""

from typing import Any

from litestar import Litestar, Response
from litestar.routes import HTTPRoute


def declare_allowed_methods(app: Litestar) -> None:
    """Make every path name all its methods in `Allow`."""
    for route in app.routes:
        if isinstance(route, HTTPRoute) and "OPTIONS" in route.route_handler_map:
            handler, _ = route.route_handler_map["OPTIONS"]
            handler._fn = _allow_handler(", ".join(sorted(route.route_handler_map)))  # noqa: SLF001  # it has no public setter


def _allow_handler(methods: str) -> Any:
    def allow(scope: object) -> Response[None]:
        del scope  # Litestar calls it with one
        return Response(None, status_code=204, headers={"Allow": methods}, media_type="text/plain")

    return allow
