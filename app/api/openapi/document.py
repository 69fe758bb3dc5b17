"""The OpenAPI document: paths and parameters as Litestar derives them from the handlers, made exact.

Schemas come from the structs (`app.api.openapi.schemas`). Added are the errors of each operation, who may call it,
and the examples of the source documents.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from app.api.http.bodies import JSON
from app.api.http.errors import CODES
from app.api.openapi import bodies, components, error_responses, examples, headers, parameters
from app.api.openapi.schemas import SchemaBuilder
from app.security.auth import policy

Node = dict[str, Any]

HEAD_TAG = "Push"  # the tag of operations for which HEAD is documented as well
METHODS = ("get", "head", "post", "put", "patch", "delete")
FIRST_STOP = re.compile(r"[.:;](?:\s|$)")  # ends the part of a docstring that becomes the summary


@cache
def build_document(app: Litestar) -> bytes:
    """The document as JSON: the same bytes from every process of this version."""
    document: Node = msgspec.to_builtins(app.openapi_schema.to_schema(), str_keys=True, enc_hook=str)
    names = (bodies.COMPONENT_NAMES, bodies.UNION_NAMES)
    response_schemas = SchemaBuilder(*names)
    request_schemas = SchemaBuilder(*names, mark=components.REQUEST_MARK, is_request=True)
    document["components"]["headers"] = headers.HEADERS
    document["components"]["responses"] = error_responses.error_components(response_schemas)
    for path, operation, handler in _operations(app, document):
        _describe_operation(operation, handler)
        parameters.describe_parameters(operation)
        bodies.describe_bodies(operation, handler, response_schemas, request_schemas)
        headers.declare_headers(operation, handler, path)
        error_responses.declare_errors(
            operation, handler, is_public=_is_public(handler), has_path_parameter="{" in path
        )
        _add_examples(operation)
    document["paths"] = {path: _order_methods(item) for path, item in sorted(document["paths"].items())}
    responses = {**document["components"]["schemas"], **response_schemas.components}
    return components.merge_components(document, responses, request_schemas.components)


def _operations(app: Litestar, document: Node) -> Iterator[tuple[str, Node, HTTPRouteHandler]]:
    """Every operation with its path and its handler, sorted."""
    for route in sorted((one for one in app.routes if isinstance(one, HTTPRoute)), key=lambda one: one.path_format):
        item = document["paths"].get(route.path_format, {})
        for method, (handler, _) in sorted(route.route_handler_map.items()):
            if (operation := item.get(method.lower())) is not None:
                yield route.path_format, operation, handler


def _order_methods(item: Node) -> Node:
    if HEAD_TAG in item.get("get", {}).get("tags", ()):
        item["head"] = _head_operation(item["get"])
    return {method: item[method] for method in METHODS if method in item}


def _head_operation(get_operation: Node) -> Node:
    """HEAD for a GET operation. Every GET path answers it; it is documented only where clients use it."""
    return {
        **get_operation,
        "operationId": f"{get_operation['operationId']}ByHead",
        "description": "The same as GET, without a body in the reply.",
        "responses": {code: _without_content(reply) for code, reply in get_operation["responses"].items()},
    }


def _without_content(reply: Node) -> Node:
    status = {code: number for number, code in CODES.items()}.get(reply.get("$ref", "").rpartition("/")[2])
    if status is not None:
        return {"description": error_responses.DESCRIPTIONS[status], "headers": headers.error_headers(status)}
    return {name: part for name, part in reply.items() if name != "content"}


def _describe_operation(operation: Node, handler: HTTPRouteHandler) -> None:
    """Add the summary of an operation, and who may call it."""
    if not operation["deprecated"]:
        del operation["deprecated"]
    operation["summary"] = FIRST_STOP.split(operation["description"], maxsplit=1)[0]
    required = policy.required_role(handler)
    if _is_public(handler):
        operation["security"] = []
    else:
        operation["x-role"] = str(required.min_role) if required else ""
        operation["x-scope"] = handler.opt[policy.RULE].scope


def _is_public(handler: HTTPRouteHandler) -> bool:
    required = policy.required_role(handler)
    return required is None or required.min_role is None


def _add_examples(operation: Node) -> None:
    """Add example bodies of the request, and of the response where there is one."""
    name = operation["operationId"]
    for content in operation.get("requestBody", {}).get("content", {}).values():
        if name in examples.BY_TYPE:
            content["examples"] = {type_: {"value": one} for type_, one in examples.BY_TYPE[name].items()}
        elif name in examples.REQUEST_BODIES:
            content["example"] = examples.REQUEST_BODIES[name]
    if name in examples.RESPONSE_BODIES:
        reply = next(reply for code, reply in operation["responses"].items() if code.startswith("2"))
        reply["content"][JSON]["example"] = examples.RESPONSE_BODIES[name]
    for media_type, text in examples.RESPONSE_TEXTS.get(name, {}).items():
        operation["responses"]["200"]["content"][media_type]["example"] = text
