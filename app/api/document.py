"""The OpenAPI document: what Litestar derives from the handlers, made exact.

Added here: a discriminator on every tagged union, the refusals each operation can answer with, who may call it,
forms where a body may be one, and the examples of the source documents.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec
from litestar import Litestar, Router
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, Reference, SecurityScheme
from litestar.routes import HTTPRoute

from app.api import body, examples, rates
from app.api.replies import CODES
from app.security import policy
from schema.errors import ErrorReply

ALSO = "also"  # in a handler's `opt`: the media types it answers in besides its first
METHODS = ("get", "post", "put", "patch", "delete", "head")
NUMBER, INTEGER = {"type": "number"}, {"type": "integer"}
FIRST_WORDS = re.compile(r"[.:;](?:\s|$)")  # what a docstring says before its first stop
REFUSALS = {
    400: "The request can't be read.",
    401: "Nobody is signed in, or with something that is not valid.",
    403: "Signed in, without the role for it.",
    404: "There is no such thing.",
    408: "The body did not arrive in time.",
    409: "Another thing is in the way.",
    412: "`If-Match` names an older version than the stored one.",
    413: "The body is larger than 1,000,000 bytes.",
    415: "The body is of a kind this path does not read.",
    422: "Fields are wrong: `details.fields` has them, the first 50.",
    429: "Too many requests; `Retry-After` says how long to wait.",
    500: "Our fault; the request id finds it in the log.",
    502: "Somebody we had to ask did not take it.",
    503: "We can't just now; nothing was changed.",
    504: "It took too long and was given up.",
}
SECURITY: dict[str, SecurityScheme | Reference] = {
    "bearer": SecurityScheme(
        type="http", scheme="bearer", description="An access token, an API key, or the API admin token."
    ),
    "apiKey": SecurityScheme(type="apiKey", name="X-API-Key", security_scheme_in="header"),
    "basic": SecurityScheme(type="http", scheme="basic", description="User name or e-mail address, and password."),
    "session": SecurityScheme(
        type="apiKey",
        name="session_id",
        security_scheme_in="cookie",
        description="Changes need X-CSRF-Token as well. Over TLS the cookie is called `__Host-session_id`.",
    ),
}
ABOUT = (
    "Watches the services you host, tells you when one fails, and can put it right.\n\n"
    "Every refusal has one shape, `{error: {code, message, details, timestamp, request_id}}`; a 422 names every wrong "
    "field at once. Absent fields of a change stay as they are; a secret reads `********`, and sent back so it stays."
)


class Unserved(Router):
    """Where Litestar would put its own explorers: nowhere, `app.pages.explorer` serves ours."""

    def register(self, value: Any) -> list[Any]:
        """Take the handler, and leave it out."""
        del value
        return []


def config(version: str) -> OpenAPIConfig:
    """What Litestar needs to derive its part."""
    return OpenAPIConfig(
        title="Watchkeeper",
        version=version,
        description=ABOUT,
        use_handler_docstrings=True,
        render_plugins=[JsonRenderPlugin()],
        openapi_router=Unserved("/openapi", route_handlers=[]),
        components=Components(security_schemes=SECURITY),
        security=[{name: []} for name in SECURITY],
    )


@cache
def of(app: Litestar) -> bytes:
    """The document as JSON."""
    document: dict[str, Any] = msgspec.to_builtins(app.openapi_schema.to_schema(), str_keys=True, enc_hook=str)
    _, errors = msgspec.json.schema_components([ErrorReply], ref_template="#/components/schemas/{name}")
    document["components"]["schemas"].update(errors)
    document["components"]["responses"] = {CODES[status]: _refusal(status) for status in REFUSALS}
    _discriminate(document, document["components"]["schemas"])
    for path, operation, handler in _operations(app, document):
        _declare(operation, handler, has_path_parameter="{" in path)
        _close(operation.get("requestBody"), document["components"]["schemas"])
        _exemplify(operation)
    return msgspec.json.encode(document)


def _operations(app: Litestar, document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], HTTPRouteHandler]]:
    """Every operation with its path and its handler."""
    for route in app.routes:
        if not isinstance(route, HTTPRoute):
            continue
        item = document["paths"].get(route.path_format, {})
        for method, (handler, _) in route.route_handler_map.items():
            if (operation := item.get(method.lower())) is not None:
                yield route.path_format, operation, handler


def _declare(operation: dict[str, Any], handler: HTTPRouteHandler, *, has_path_parameter: bool) -> None:
    """Say who may call this operation, and how it can refuse."""
    operation["summary"] = FIRST_WORDS.split(operation["description"], maxsplit=1)[0]
    needs, has_body = policy.least_role(handler), "requestBody" in operation
    is_public = needs is None or needs.least is None
    if is_public:
        operation["security"] = []
    else:
        operation["x-role"] = str(needs.least) if needs else ""
        operation["x-scope"] = handler.opt[policy.RULE].scope
    statuses = [422, 500, 503, 504, *([] if is_public else [401, 403]), *([404] if has_path_parameter else [])]
    statuses += [400, 408, 409, 413, 415] if has_body else []
    statuses += [429] if rates.is_counted(handler) else []
    responses = {code: told for code, told in operation["responses"].items() if int(code) < 400}  # noqa: PLR2004  # HTTP
    for status in sorted({*statuses, *handler.opt.get("refusals", ())}):
        responses[str(status)] = {"$ref": f"#/components/responses/{CODES[status]}"}
    operation["responses"] = responses
    if "204" in responses:
        responses["204"].pop("content", None)  # there is none to be of any type
    for media in handler.opt.get(ALSO, ()):
        content = responses[str(handler.status_code)]["content"]
        content[media] = next(iter(content.values()))
    if has_body and handler.parsed_fn_signature.parameters["data"].is_optional:
        operation["requestBody"]["required"] = False
    if handler.resolve_data_dto() is body.FormBody:
        content = operation["requestBody"]["content"]
        content[body.FORM] = {**content[body.JSON], "schema": {"type": "object", "additionalProperties": True}}


def _close(node: Any, schemas: dict[str, Any]) -> None:
    """Say of everything that can be sent that it has the fields it names and no others."""
    if isinstance(node, list):
        for part in node:
            _close(part, schemas)
    if not isinstance(node, dict):
        return
    if "properties" in node:
        if "additionalProperties" in node:
            return  # closed before
        node["additionalProperties"] = False
    if "$ref" in node:
        _close(schemas[node["$ref"].rpartition("/")[2]], schemas)
    for part in node.values():
        _close(part, schemas)


def _exemplify(operation: dict[str, Any]) -> None:
    """Show what the source documents show of this operation."""
    name = operation["operationId"]
    if name in examples.SENT:
        operation["requestBody"]["content"][body.JSON]["example"] = examples.SENT[name]
    if name in examples.RETURNED:
        told = next(told for code, told in operation["responses"].items() if code.startswith("2"))
        told["content"][body.JSON]["example"] = examples.RETURNED[name]


def _refusal(status: int) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/ErrorReply"}
    return {"description": REFUSALS[status], "content": {body.JSON: {"schema": schema}}}


def _discriminate(node: Any, schemas: dict[str, Any]) -> None:
    """Have every `oneOf` be a choice: with a discriminator where its members say by a constant which they are."""
    if isinstance(node, dict):
        if found := _discriminator(node.get("oneOf"), schemas):
            node["discriminator"] = found
        if NUMBER in node.get("oneOf", ()):  # an integer is one as well, and a choice fits once
            node["oneOf"] = [one for one in node["oneOf"] if one != INTEGER]
        for part in node.values():
            _discriminate(part, schemas)
    elif isinstance(node, list):
        for part in node:
            _discriminate(part, schemas)


def _discriminator(members: Any, schemas: dict[str, Any]) -> dict[str, Any] | None:
    if not isinstance(members, list) or len(members) < 2 or not all("$ref" in one for one in members):  # noqa: PLR2004  # a choice
        return None
    refs = [one["$ref"] for one in members]
    constants = [_constants(schemas[ref.rpartition("/")[2]]) for ref in refs]
    name = next((one for one in constants[0] if all(one in other for other in constants)), None)
    if name is None:
        return None
    return {"propertyName": name, "mapping": {said[name]: ref for said, ref in zip(constants, refs, strict=True)}}


def _constants(schema: dict[str, Any]) -> dict[str, str]:
    return {name: one["const"] for name, one in schema.get("properties", {}).items() if "const" in one}
