"""Request bodies: strict JSON decoding that reports *all* wrong fields at once.

Handlers take `data: JSONBody[MonitorDraft]`; the application sets `dto=JsonBodyDTO` for all of them. A struct whose
variants are chosen by `type` (`VARIANTS`) is decoded as their union.
"""

import re
from collections.abc import Generator
from functools import cache
from itertools import islice
from typing import Any, ClassVar, Union
from urllib.parse import parse_qsl

import msgspec
from litestar.connection import ASGIConnection
from litestar.dto import AbstractDTO, DTOConfig
from litestar.dto.data_structures import DTOFieldDefinition
from litestar.exceptions import HTTPException
from litestar.openapi.spec import Schema
from litestar.typing import FieldDefinition

from app.api.http import audit_trail
from app.domain.parsing import untrusted_json
from app.domain.validation import structs
from app.errors import Invalid, Malformed
from schema import channels, monitors
from schema.errors import FieldError

LIMIT_BYTES = 1_000_000
MAX_EXPONENTS = 1_000  # each takes msgspec microseconds: a body of nothing else would block the API for seconds
_ESCAPED_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_EXPONENT = re.compile(rb"[\[,:\s]-?[0-9.]+[eE]\+?[0-9]{2}")
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
VARIANTS: dict[Any, dict[str, type[msgspec.Struct]]] = {
    monitors.MonitorDraft: monitors.DRAFTS,
    channels.ChannelDraft: channels.DRAFTS,
}


class WrongContentType(HTTPException):
    """The route does not read bodies of this content type."""

    status_code = 415


def decode_body(body: bytes, type_: Any) -> Any:
    """Decode a JSON text as `type_`. Raises Malformed when it is no JSON, Invalid with every wrong field."""
    body = _to_utf8(body)
    if _has_many_exponents(body):
        raise Malformed(f"The body has more than {MAX_EXPONENTS:,} numbers with an exponent, such as 1e30.")
    try:
        value = decoder_for(type_).decode(body)
    except msgspec.ValidationError as error:
        errors = structs.errors_in(_decode_untyped(body), wire_type(type_))
        raise Invalid(errors or [FieldError("", str(error))]) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(_malformed_message(error)) from error
    if b"\\u0000" in body and _ESCAPED_NUL.search(body):
        raise Invalid(structs.unstorable_texts(_decode_untyped(body)) or [FieldError("", structs.UNSTORABLE_TEXT)])
    return value


@cache
def decoder_for(type_: Any) -> msgspec.json.Decoder[Any]:
    """The decoder of a type; made once."""
    return msgspec.json.Decoder(wire_type(type_), strict=True)


@cache
def wire_type(type_: Any) -> Any:
    """The type on the wire: the union of a struct's variants, or the type itself."""
    variants = VARIANTS.get(type_)
    return Union[tuple(variants.values())] if variants else type_  # noqa: UP007  # any number of variants


def _has_many_exponents(body: bytes) -> bool:
    if body.count(b"e") + body.count(b"E") <= MAX_EXPONENTS:
        return False
    return next(islice(_EXPONENT.finditer(body), MAX_EXPONENTS, None), None) is not None


def _to_utf8(body: bytes) -> bytes:
    """The body as UTF-8 without a byte order mark; files written on Windows begin with one."""
    try:
        return untrusted_json.to_utf8(body)
    except ValueError as error:
        raise Malformed(_malformed_message(error)) from error


def _decode_untyped(body: bytes) -> Any:
    try:
        return untrusted_json.decode(body)
    except (ValueError, RecursionError) as error:
        raise Malformed(_malformed_message(error)) from error


def _malformed_message(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "The body is nested too deeply."
    return f"The body is not JSON: {error}"


class JsonBodyDTO(AbstractDTO[Any]):
    """Litestar's extension point for reading bodies. Replies don't use it: they are encoded as they are."""

    config: ClassVar[DTOConfig] = DTOConfig()
    types: ClassVar[dict[str, Any]] = {}
    accepts: ClassVar[frozenset[str]] = frozenset({"", JSON})

    def decode_bytes(self, value: bytes) -> Any:
        """Decode the body as the type of the handler's `data`."""
        content_type = content_type_of(self.asgi_connection)
        if content_type not in self.accepts and not content_type.endswith("+json"):
            raise WrongContentType(f"Send the body as {JSON}, not as {content_type!r}.")
        data = self._decode(value, content_type)
        audit_trail.trail_of(self.asgi_connection).record_body(data)
        return data

    def _decode(self, value: bytes, _: str) -> Any:
        return decode_body(value, self.types[self.asgi_connection.route_handler.handler_id])

    @classmethod
    def create_for_field_definition(
        cls, field_definition: FieldDefinition, handler_id: str, backend_cls: Any = None
    ) -> None:
        """Remember the type that this handler reads."""
        del backend_cls
        cls.types[handler_id] = field_definition.annotation

    @classmethod
    def create_openapi_schema(cls, field_definition: FieldDefinition, handler_id: str, schema_creator: Any) -> Schema:
        """An empty schema: `app.api.openapi` describes what is on the wire."""
        del field_definition, handler_id, schema_creator
        return Schema()

    @classmethod
    def is_supported_model_type_field(cls, field_definition: FieldDefinition) -> bool:
        """Never: this DTO is not used for replies."""
        del field_definition
        return False

    @classmethod
    def generate_field_definitions(cls, model_type: type[Any]) -> Generator[DTOFieldDefinition, None, None]:
        """None: structs are not copied into transfer models."""
        del model_type
        yield from ()

    @classmethod
    def detect_nested_field(cls, field_definition: FieldDefinition) -> bool:
        """Never: structs are not copied into transfer models."""
        del field_definition
        return False


class FormBodyDTO(JsonBodyDTO):
    """A body as JSON or as a form, which OAuth2 clients send."""

    accepts: ClassVar[frozenset[str]] = JsonBodyDTO.accepts | {FORM}

    def _decode(self, value: bytes, content_type: str) -> Any:
        if content_type != FORM:
            return super()._decode(value, content_type)
        type_ = self.types[self.asgi_connection.route_handler.handler_id]
        known = {field.encode_name for field in msgspec.structs.fields(type_)}
        try:
            pairs = parse_qsl(value.decode(), keep_blank_values=True, max_num_fields=50)
        except ValueError as error:
            raise Malformed("The form is malformed.") from error
        fields = {key: text for key, text in pairs if key in known}  # OAuth2 adds grant_type, scope and others
        if errors := structs.unstorable_texts(fields):
            raise Invalid(errors)
        return structs.validate(fields, type_)


def content_type_of(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """The media type of the body, without parameters, in lower case."""
    return connection.headers.get("Content-Type", "").partition(";")[0].strip().lower()
