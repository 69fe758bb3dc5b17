"""What is sent and what comes back, by operation: schemas from the handlers' own types."""

from inspect import cleandoc
from typing import Any, get_args

from litestar import Response
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.spec import Schema as Blank
from litestar.plugins import OpenAPISchemaPlugin
from litestar.typing import FieldDefinition
from msgspec import Struct

from app.api.http import bodies
from app.api.openapi.schemas import SchemaBuilder
from schema.assertions import Assertion
from schema.channels import DRAFTS as CHANNEL_DRAFTS, PROVIDERS, ChannelConfig
from schema.monitors import DRAFTS as MONITOR_DRAFTS
from schema.targets import TARGETS, Target
from schema.targets.http import Http

Node = dict[str, Any]
ALTERNATIVE_MEDIA = "also"  # in a handler's `opt`: the media types it answers in besides its first
FORM_STRUCT = "form"  # in a handler's `opt`: the struct that says which fields its form has; shown instead of JSON
NO_BODY = ("204", "302")  # statuses without a body
NO_BODY_DESCRIPTIONS = {"204": "Done; there is nothing to return.", "302": "Leads on to another address."}
COMPONENT_NAMES: dict[
    type, str
] = {  # where a class is called by what it is of, and a client has all of them side by side
    **{one: f"{one.__name__}Config" for one in (*TARGETS.values(), *PROVIDERS.values())},
    **{one: f"{one.__name__}Assertion" for one in get_args(Assertion)},
}
UNION_NAMES: dict[frozenset[type], str] = {
    frozenset(get_args(Target)): "MonitorConfig",
    frozenset(MONITOR_DRAFTS.values()): "MonitorDraft",
    frozenset(get_args(ChannelConfig)): "ChannelConfig",
    frozenset(CHANNEL_DRAFTS.values()): "ChannelDraft",
    frozenset(get_args(Http.__annotations__["auth"])) - {type(None)}: "HttpAuth",
    frozenset(get_args(Assertion)): "ResultAssertion",
}


class NoStructSchemas(OpenAPISchemaPlugin):
    """Has Litestar draw no struct: `Schemas` does, and knows more of msgspec's types."""

    def is_plugin_supported_field(self, field_definition: FieldDefinition) -> bool:
        """Every struct."""
        return not field_definition.is_union and field_definition.is_subclass_of(Struct)

    def to_openapi_schema(self, field_definition: FieldDefinition, schema_creator: Any) -> Blank:
        """Nothing."""
        del field_definition, schema_creator
        return Blank()


def describe_bodies(operation: Node, handler: HTTPRouteHandler, schemas: SchemaBuilder, sent: SchemaBuilder) -> None:
    """Draw the body of an operation, and its replies that are no refusals."""
    if "requestBody" in operation:
        operation["requestBody"] = _request_body(handler, sent)
    replies = {code: reply for code, reply in operation["responses"].items() if int(code) < 400}  # noqa: PLR2004  # HTTP
    returned = {handler.status_code: return_type(handler)}
    returned |= {code: one.data_container for code, one in (handler.responses or {}).items()}
    for code, reply in replies.items():
        if int(code) not in (handler.responses or {}):
            reply["description"] = _describe_reply(code, returned[int(code)], operation["summary"])
        if code in NO_BODY:
            reply.pop("content", None)
        elif bodies.JSON in reply.get("content", {}):
            reply["content"][bodies.JSON]["schema"] = schemas.schema_of(returned[int(code)])
    for media in handler.opt.get(ALTERNATIVE_MEDIA, ()):
        content = replies[str(handler.status_code)]["content"]
        content[media] = next(iter(content.values()))
    operation["responses"] = replies


def _request_body(handler: HTTPRouteHandler, sent: SchemaBuilder) -> Node:
    if form := handler.opt.get(FORM_STRUCT):
        return {"required": True, "content": {bodies.FORM: {"schema": sent.schema_of(form)}}}
    dto: Any = handler.resolve_data_dto()
    schema = sent.schema_of(bodies.wire_type(dto.types[handler.handler_id]))
    is_optional = handler.parsed_fn_signature.parameters["data"].is_optional
    return {"required": not is_optional, "content": {bodies.JSON: {"schema": schema}}}


def _describe_reply(code: str, returned: Any, summary: str) -> str:
    """What a reply is, in a sentence."""
    if code in NO_BODY_DESCRIPTIONS:
        return NO_BODY_DESCRIPTIONS[code]
    if [one for one in get_args(returned) if one.__name__.endswith("Page")]:
        return "The whole list, or one page of it when `page` or `limit` is given."
    if isinstance(returned, type) and issubclass(returned, Struct):
        return cleandoc(returned.__doc__ or "").partition("\n")[0]
    return f"{summary}."


def return_type(handler: HTTPRouteHandler) -> Any:
    """The type of what a handler returns, without what it is wrapped in."""
    found = handler.parsed_fn_signature.return_type
    return found.inner_types[0].annotation if found.is_subclass_of(Response) and found.inner_types else found.annotation
