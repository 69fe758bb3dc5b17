"""The OpenAPI document: paths and parameters as Litestar derives them from the handlers, made exact.

Schemas are drawn from the structs (`app.api.openapi.schemas`). Added are the refusals each operation can answer with,
who may call it, and the examples of the source documents.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from app.api.http import bodies as body
from app.api.http.errors import CODES
from app.api.openapi import bodies, components, error_responses, examples, headers, parameters
from app.api.openapi.schemas import Schemas
from app.security.auth import policy

Node = dict[str, Any]

HEADED = "Push"  # the tag of what is reported to by HEAD as well
METHODS = ("get", "head", "post", "put", "patch", "delete")
FIRST_WORDS = re.compile(r"[.:;](?:\s|$)")  # what a docstring says before its first stop


@cache
def of(app: Litestar) -> bytes:
    """The document as JSON: the same bytes from every process of this version."""
    drawn: Node = msgspec.to_builtins(app.openapi_schema.to_schema(), str_keys=True, enc_hook=str)
    schemas = Schemas(bodies.NAMES, bodies.CHOICES)
    sent = Schemas(bodies.NAMES, bodies.CHOICES, mark=components.SENT_MARK, sent=True)
    drawn["components"]["headers"] = headers.HEADERS
    drawn["components"]["responses"] = error_responses.responses(schemas)
    for path, operation, handler in _operations(app, drawn):
        _name(operation, handler)
        parameters.draw(operation)
        bodies.draw(operation, handler, schemas, sent)
        headers.declare(operation, handler, path)
        error_responses.declare(operation, handler, is_public=_is_public(handler), has_path_parameter="{" in path)
        _exemplify(operation)
    drawn["paths"] = {path: _ordered(item) for path, item in sorted(drawn["paths"].items())}
    return components.merge(drawn, {**drawn["components"]["schemas"], **schemas.components}, sent.components)


def _operations(app: Litestar, document: Node) -> Iterator[tuple[str, Node, HTTPRouteHandler]]:
    """Every operation with its path and its handler, in one order."""
    for route in sorted((one for one in app.routes if isinstance(one, HTTPRoute)), key=lambda one: one.path_format):
        item = document["paths"].get(route.path_format, {})
        for method, (handler, _) in sorted(route.route_handler_map.items()):
            if (operation := item.get(method.lower())) is not None:
                yield route.path_format, operation, handler


def _ordered(item: Node) -> Node:
    if HEADED in item.get("get", {}).get("tags", ()):
        item["head"] = _head_of(item["get"])
    return {method: item[method] for method in METHODS if method in item}


def _head_of(got: Node) -> Node:
    """HEAD beside GET: the same without bodies. Every GET has it; declared it is where clients send it."""
    replies = {code: _unwrapped(reply) for code, reply in got["responses"].items()}
    name = f"{got['operationId']}ByHead"
    return {**got, "operationId": name, "description": "The same as GET, without a body in the reply.",
            "responses": replies}  # fmt: skip


def _unwrapped(reply: Node) -> Node:
    status = {code: number for number, code in CODES.items()}.get(reply.get("$ref", "").rpartition("/")[2])
    if status is not None:
        return {"description": error_responses.SENTENCES[status], "headers": headers.of_refusal(status)}
    return {name: part for name, part in reply.items() if name != "content"}


def _name(operation: Node, handler: HTTPRouteHandler) -> None:
    """Say in one line what an operation does, and who may call it."""
    if not operation["deprecated"]:
        del operation["deprecated"]
    operation["summary"] = FIRST_WORDS.split(operation["description"], maxsplit=1)[0]
    needs = policy.least_role(handler)
    if _is_public(handler):
        operation["security"] = []
    else:
        operation["x-role"] = str(needs.least) if needs else ""
        operation["x-scope"] = handler.opt[policy.RULE].scope


def _is_public(handler: HTTPRouteHandler) -> bool:
    needs = policy.least_role(handler)
    return needs is None or needs.least is None


def _exemplify(operation: Node) -> None:
    """Show a body that is taken, and what comes back where that is known."""
    name = operation["operationId"]
    for content in operation.get("requestBody", {}).get("content", {}).values():
        if name in examples.BY_TYPE:
            content["examples"] = {type_: {"value": one} for type_, one in examples.BY_TYPE[name].items()}
        elif name in examples.SENT:
            content["example"] = examples.SENT[name]
    if name in examples.RETURNED:
        reply = next(reply for code, reply in operation["responses"].items() if code.startswith("2"))
        reply["content"][body.JSON]["example"] = examples.RETURNED[name]
