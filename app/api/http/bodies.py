"""Request bodies: strict JSON decoding that reports *all* wrong fields at once.

Handlers take `data: JSONBody[MonitorDraft]`; the application sets `dto=JsonBodyDTO` for all of them. A struct whose
variants are chosen by `type` (`VARIANTS`) is decoded as their union.
"""

import re
from collections.abc import Generator, Mapping
from functools import cache
from itertools import islice
from typing import Any, ClassVar, Union
from urllib.parse import parse_qsl

import msgspec
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
_CHARSET = re.compile(r"(?:^|[;\s])charset\s*=\s*[\"']?([^\"';,\s]+)", re.IGNORECASE)
UTF_8_LABELS = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
VARIANTS: dict[Any, dict[str, type[msgspec.Struct]]] = {
    monitors.MonitorDraft: monitors.DRAFTS,
    channels.ChannelDraft: channels.DRAFTS,
}


class WrongContentType(HTTPException):
    """The route does not read bodies of this content type, coding or charset."""

    status_code = 415


def content_coding(headers: Mapping[str, str]) -> str:
    """The content coding of a body, such as `gzip`; empty when it is sent as it is."""
    coding = headers.get("Content-Encoding", "").strip().lower()
    return "" if coding == "identity" else coding


def _require_utf_8(body: bytes, parameters: str) -> None:
    """Raise WrongContentType for a body in another charset. JSON and forms are UTF-8, whatever a header says.

    parameters    of the content type
    """
    found = _CHARSET.search(parameters)
    if found is None or found[1].lower() in UTF_8_LABELS or untrusted_json.declares_encoding(body):
        return
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise WrongContentType(f"Send the body in UTF-8, not in {found[1][:40]!r}.") from error


def decode_body(body: bytes, type_: Any) -> Any:
    """Decode a JSON text as `type_`. Raises Malformed when it is no JSON, Invalid with every wrong field."""
    try:
        body = untrusted_json.to_utf8(body)  # files written on Windows begin with a byte order mark
        _refuse_many_exponents(body)
        value = decoder_for(type_).decode(body)
    except msgspec.ValidationError as error:
        errors = structs.errors_in(_decode_untyped(body), wire_type(type_))
        raise Invalid(errors or [FieldError("", str(error))]) from error
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
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


def _refuse_many_exponents(body: bytes) -> None:
    is_suspect = body.count(b"e") + body.count(b"E") > MAX_EXPONENTS
    if is_suspect and next(islice(_EXPONENT.finditer(body), MAX_EXPONENTS, None), None) is not None:
        raise Malformed(f"The body has more than {MAX_EXPONENTS:,} numbers with an exponent, such as 1e30.")


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
        headers = self.asgi_connection.headers
        if coding := content_coding(headers):
            raise WrongContentType(
                f"Send the body as it is, not with the content coding {coding[:40]!r}.",
                headers={"Accept-Encoding": "identity"},  # RFC 9110, 15.5.16
            )
        content_type, _, parameters = headers.get("Content-Type", "").partition(";")
        content_type = content_type.strip().lower()
        if content_type not in self.accepts and not content_type.endswith("+json"):
            raise WrongContentType(f"Send the body as {JSON}, not as {content_type!r}.")
        _require_utf_8(value, parameters)
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
