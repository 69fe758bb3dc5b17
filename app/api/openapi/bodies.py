"""Request and response bodies of the operations, from the types of their handlers."""

from inspect import cleandoc
from typing import Any, get_args

from litestar import Response
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.spec import Schema
from litestar.plugins import OpenAPISchemaPlugin
from litestar.typing import FieldDefinition
from msgspec import Struct

from app.api.http import bodies
from app.api.openapi.schemas import SchemaBuilder
from schema.assertions import Assertion, Comparison, Operator
from schema.channels import DRAFTS as CHANNEL_DRAFTS, PROVIDERS, ChannelConfig
from schema.incidents import EntryKind
from schema.monitors import DRAFTS as MONITOR_DRAFTS
from schema.targets import TARGETS, Target
from schema.targets.databases import SslMode
from schema.targets.dns import RecordType
from schema.targets.http import ClientAuth, Encoding, Http, JsonLanguage, Method, Ntlm, OAuth2

Node = dict[str, Any]
ALTERNATIVE_MEDIA = "alternative_media"  # in a handler's `opt`: the media types of its response besides the first
FORM_STRUCT = "form"  # in a handler's `opt`: the struct with the fields of its form; documented instead of JSON
NO_BODY = ("204", "302")  # statuses without a body
NO_BODY_DESCRIPTIONS = {"204": "Done. The reply has no body.", "302": "Redirects to another address."}
# Component names of classes whose own name is too general in a generated client.
COMPONENT_NAMES: dict[type, str] = {
    **{one: f"{one.__name__}Config" for one in (*TARGETS.values(), *PROVIDERS.values())},
    **{one: f"{one.__name__}Assertion" for one in get_args(Assertion)},
    ClientAuth: "OAuth2ClientAuth",
    Comparison: "ComparisonType",
    Encoding: "HttpBodyEncoding",
    EntryKind: "TimelineEntryKind",
    JsonLanguage: "JsonQueryLanguage",
    Method: "HttpMethod",
    Ntlm: "HttpNtlmAuth",
    OAuth2: "HttpOAuth2Auth",
    Operator: "ComparisonOperator",
    RecordType: "DnsRecordType",
    SslMode: "PostgresSslMode",
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
    """Keeps Litestar from describing structs: `SchemaBuilder` does, and supports more of msgspec's types."""

    def is_plugin_supported_field(self, field_definition: FieldDefinition) -> bool:
        """Every struct."""
        return not field_definition.is_union and field_definition.is_subclass_of(Struct)

    def to_openapi_schema(self, field_definition: FieldDefinition, schema_creator: Any) -> Schema:
        """An empty schema."""
        del field_definition, schema_creator
        return Schema()


def describe_bodies(
    operation: Node, handler: HTTPRouteHandler, response_schemas: SchemaBuilder, request_schemas: SchemaBuilder
) -> None:
    """Describe the request body of an operation and its successful responses."""
    if "requestBody" in operation:
        operation["requestBody"] = _request_body(handler, request_schemas)
    replies = {code: reply for code, reply in operation["responses"].items() if int(code) < 400}  # noqa: PLR2004  # HTTP
    returned = {handler.status_code: return_type(handler)}
    returned |= {code: one.data_container for code, one in (handler.responses or {}).items()}
    for code, reply in replies.items():
        if int(code) not in (handler.responses or {}):
            reply["description"] = _describe_reply(code, returned[int(code)], operation["summary"])
        if code in NO_BODY:
            reply.pop("content", None)
        elif bodies.JSON in reply.get("content", {}):
            reply["content"][bodies.JSON]["schema"] = response_schemas.schema_of(returned[int(code)])
    for media_type in handler.opt.get(ALTERNATIVE_MEDIA, ()):
        content = replies[str(handler.status_code)]["content"]
        content[media_type] = dict(next(iter(content.values())))
    operation["responses"] = replies


def _request_body(handler: HTTPRouteHandler, schemas: SchemaBuilder) -> Node:
    if form := handler.opt.get(FORM_STRUCT):
        return {"required": True, "content": {bodies.FORM: {"schema": schemas.schema_of(form)}}}
    dto: Any = handler.resolve_data_dto()
    schema = schemas.schema_of(bodies.wire_type(dto.types[handler.handler_id]))
    is_optional = handler.parsed_fn_signature.parameters["data"].is_optional
    return {"required": not is_optional, "content": {bodies.JSON: {"schema": schema}}}


def _describe_reply(code: str, returned: Any, summary: str) -> str:
    """One sentence about a response."""
    if code in NO_BODY_DESCRIPTIONS:
        return NO_BODY_DESCRIPTIONS[code]
    if [one for one in get_args(returned) if one.__name__.endswith("Page")]:
        return "The whole list, or one page of it when `page` or `limit` is given."
    if isinstance(returned, type) and issubclass(returned, Struct):
        return cleandoc(returned.__doc__ or "").partition("\n")[0]
    return f"{summary}."


def return_type(handler: HTTPRouteHandler) -> Any:
    """The type that a handler returns, without the Response around it."""
    returned = handler.parsed_fn_signature.return_type
    is_wrapped = returned.is_subclass_of(Response) and returned.inner_types
    return returned.inner_types[0].annotation if is_wrapped else returned.annotation
