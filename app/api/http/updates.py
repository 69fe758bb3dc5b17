"""Routes that update a resource: PATCH and PUT do the same, absent fields stay."""

from typing import Any

from litestar import route
from litestar.enums import HttpMethod

from app.api.http.audit_actions import PUT_SUFFIX


def update(path: str, noun: str, **options: Any) -> route:
    """A decorator for the handler of both methods, with the operation ids `UpdateTag` and `UpdateTagByPut`.

    options  as of Litestar's `patch`
    """

    def operation_id(_handler: object, method: str, _path: object) -> str:
        return f"Update{noun}" if method == HttpMethod.PATCH else f"Update{noun}{PUT_SUFFIX}"

    return route(path, http_method=[HttpMethod.PATCH, HttpMethod.PUT], operation_id=operation_id, **options)
