"""JSON schemas of request and response structs, in the form that client generators handle best.

Each rule is there for a generator that fails otherwise:
* A union is a `oneOf` of two or more, none of them a `oneOf` itself; a union of structs is a named component.
* A component has no default of its own. A field has its default when that is a plain value of a plain type.
* Names are unique: building the document fails for two classes of one name.
"""

from collections.abc import Callable
from enum import Enum
from inspect import cleandoc
from types import UnionType
from typing import Any, get_args

from msgspec import NODEFAULT, Struct, inspect

from schema import status

Schema = dict[str, Any]
REF_PREFIX = "#/components/schemas/"
NULL: Schema = {"type": "null"}
PLAIN_TYPES = (str, int, float, bool)
CONSTRAINTS = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "multiple_of": "multipleOf",
    "min_length": "minLength",
    "max_length": "maxLength",
    "pattern": "pattern",
}
PYTHON_END, JSON_SCHEMA_END = r"$(?!\n)", "$"  # only Python's `$` also matches before a final line feed
SIZE_CONSTRAINTS = {"min_length": "minItems", "max_length": "maxItems"}
FIXED_SCHEMAS: dict[type[inspect.Type], Schema] = {
    inspect.AnyType: {},
    inspect.NoneType: NULL,
    inspect.BoolType: {"type": "boolean"},
    inspect.DateTimeType: {"type": "string", "format": "date-time"},
    inspect.DateType: {"type": "string", "format": "date"},
    inspect.UUIDType: {"type": "string", "format": "uuid"},
}
SIMPLE_TYPES: dict[type[inspect.Type], str] = {
    inspect.IntType: "integer",
    inspect.FloatType: "number",
    inspect.StrType: "string",
}
ENUM_DESCRIPTIONS: dict[type[Enum], dict[Any, str]] = {status.Status: status.STATUS_DESCRIPTIONS}
JSON_TYPES = {bool: "boolean", int: "integer", str: "string"}


class SchemaBuilder:
    """Builds schemas of types and collects their components, either of requests or of responses.

    names        component names of structs that differ from their class name
    union_names  component names of unions of structs, by their classes
    mark         prefix of names in references
    is_request   clients may leave out fields with a default; responses have all fields
    """

    def __init__(
        self,
        names: dict[type, str],
        union_names: dict[frozenset[type], str],
        *,
        mark: str = "",
        is_request: bool = False,
    ) -> None:
        self.components: dict[str, Schema] = {}
        self._names, self._union_names, self._mark, self._is_request = names, union_names, mark, is_request
        self._classes: dict[str, Any] = {}

    def schema_of(self, annotation: Any) -> Schema:
        """The schema of a type; named types become components. Raises TypeError for a type without a schema."""
        if isinstance(annotation, UnionType) and (parts := _untagged_structs(annotation)):
            name = _union_name(parts)
            self.components[name] = {"title": name, "oneOf": [self.schema_of(one) for one in parts]}
            return self._ref(name)
        return self._schema(inspect.type_info(annotation))

    def _schema(self, found: inspect.Type) -> Schema:
        if isinstance(found, inspect.Metadata):
            return _with_description(self._schema(found.type), found.extra_json_schema or {})
        if type(found) in FIXED_SCHEMAS:
            return dict(FIXED_SCHEMAS[type(found)])
        if type(found) in SIMPLE_TYPES:
            return {"type": SIMPLE_TYPES[type(found)], **_constraints(found, CONSTRAINTS)}
        for kind, build in self._builders().items():
            if isinstance(found, kind):
                return build(found)
        raise TypeError(f"The document has no schema for {found!r}.")

    def _builders(self) -> dict[type[inspect.Type], Callable[[Any], Schema]]:
        return {
            inspect.StructType: lambda found: self._component(found, self._struct),
            inspect.EnumType: lambda found: self._component(found, _enum),
            inspect.LiteralType: _literal,
            inspect.UnionType: self._union,
            inspect.CollectionType: self._list,
            inspect.DictType: self._mapping,
        }

    def _component(self, found: Any, build: Callable[[Any], Schema]) -> Schema:
        name = self._names.get(found.cls, found.cls.__name__)
        if self._classes.setdefault(name, found.cls) is not found.cls:
            raise TypeError(f"Two classes of the document are called {name}: {self._classes[name]} and {found.cls}.")
        if name not in self.components:
            self.components[name] = {}  # it may refer to itself
            self.components[name] = {"title": name, "description": cleandoc(found.cls.__doc__ or ""), **build(found)}
        return self._ref(name)

    def _ref(self, name: str) -> Schema:
        return {"$ref": f"{REF_PREFIX}{self._mark}{name}"}

    def _struct(self, found: inspect.StructType) -> Schema:
        tag = {found.tag_field: {"type": "string", "const": found.tag}} if found.tag_field else {}
        properties: Schema = {**tag, **{one.encode_name: self._field(one) for one in found.fields}}
        required = [one.encode_name for one in found.fields if one.required or self._is_always_present(found, one)]
        if not self._is_request:
            required = [*tag, *required]
        schema: Schema = {"type": "object", "properties": properties}
        if required:
            schema["required"] = required
        if found.forbid_unknown_fields:
            schema["additionalProperties"] = False
        return schema

    def _is_always_present(self, found: inspect.StructType, field: inspect.Field) -> bool:
        """Whether a field with a default is in every response; a required one may be UNSET."""
        has_default = field.default is not NODEFAULT or field.default_factory is not NODEFAULT
        return not self._is_request and has_default and not found.cls.__struct_config__.omit_defaults

    def _field(self, field: inspect.Field) -> Schema:
        schema = self._schema(field.type)
        default = field.default if self._is_request else None
        if isinstance(default, Enum):
            description = f"{schema.get('description', '')} Default: `{default.value}`.".strip()
            return _with_description(schema, {"description": description})
        return {**schema, "default": default} if isinstance(default, PLAIN_TYPES) else schema

    def _union(self, found: inspect.UnionType) -> Schema:
        members = [one for one in found.types if not isinstance(one, inspect.NoneType)]
        structs = [one for one in members if isinstance(_unwrap(one), inspect.StructType)]
        others = [self._schema(one) for one in members if one not in structs]
        if {"type": "number"} in others:  # it includes integers, and exactly one member of a `oneOf` may match
            others = [one for one in others if one != {"type": "integer"}]
        schemas = [*others, *self._struct_union([_unwrap(one) for one in structs])]
        nullable = [dict(NULL)] if len(members) < len(found.types) else []
        if len(schemas) + len(nullable) == 1:
            return schemas[0]
        described = _hoist_description(schemas[0]) if len(schemas) == 1 else {}
        return {**described, "oneOf": [*schemas, *nullable]}

    def _struct_union(self, structs: list[Any]) -> list[Schema]:
        """A union of structs as one named component; a single struct as it is."""
        refs = [self._schema(one) for one in structs]
        if len(structs) < 2:  # noqa: PLR2004  # no union
            return refs
        name = self._union_names.get(frozenset(one.cls for one in structs))
        if name is None:
            return refs
        if name not in self.components:
            mapping = {str(one.tag): ref["$ref"] for one, ref in zip(structs, refs, strict=True)}
            tag = {"propertyName": structs[0].tag_field, "mapping": mapping}
            self.components[name] = {"title": name, "oneOf": refs, "discriminator": tag}
            for one, ref in zip(structs, refs, strict=True):
                self._require_tag(ref["$ref"].removeprefix(f"{REF_PREFIX}{self._mark}"), one.tag_field)
        return [self._ref(name)]

    def _require_tag(self, name: str, tag: str) -> None:
        """Make the tag of a union's member required; a struct that is used alone may omit it."""
        required = self.components[name].get("required", [])
        self.components[name]["required"] = required if tag in required else [tag, *required]

    def _list(self, found: inspect.CollectionType) -> Schema:
        unique = {"uniqueItems": True} if isinstance(found, inspect.SetType | inspect.FrozenSetType) else {}
        return {
            "type": "array",
            "items": self._schema(found.item_type),
            **_constraints(found, SIZE_CONSTRAINTS),
            **unique,
        }

    def _mapping(self, found: inspect.DictType) -> Schema:
        limit = {} if found.max_length is None else {"maxProperties": found.max_length}
        names = self._schema(found.key_type)
        del names["type"]  # always a string
        return {
            "type": "object",
            "additionalProperties": self._schema(found.value_type),
            **({"propertyNames": names} if names else {}),
            **limit,
        }


def _untagged_structs(union: UnionType) -> tuple[type, ...]:
    """The structs of a union without tags, which msgspec can encode but not decode; else empty."""
    parts = get_args(union)
    untagged = [one for one in parts if issubclass(one, Struct) and one.__struct_config__.tag is None]
    return parts if len(untagged) > 1 else ()


def _union_name(parts: tuple[type, ...]) -> str:
    """The name of a union of responses: `MonitorList` for `Monitors | MonitorPage`, else `FirstOrSecond`."""
    *others, last = (one.__name__ for one in parts)
    return f"{last.removesuffix('Page')}List" if last.endswith("Page") else "Or".join([*others, last])


def _enum(found: inspect.EnumType) -> Schema:
    members = list(found.cls)
    schema: Schema = {
        "type": JSON_TYPES[type(members[0].value)],
        "enum": [one.value for one in members],
        "x-enum-varnames": [one.name for one in members],
    }
    if descriptions := ENUM_DESCRIPTIONS.get(found.cls):
        schema["x-enum-descriptions"] = [descriptions[one] for one in members]
    return schema


def _literal(found: inspect.LiteralType) -> Schema:
    (kind,) = {JSON_TYPES[type(one)] for one in found.values}
    if len(found.values) == 1:
        return {"type": kind, "const": found.values[0]}
    return {"type": kind, "enum": list(found.values)}


def _constraints(found: Any, names: dict[str, str]) -> Schema:
    limits = {keyword: limit for name, keyword in names.items() if (limit := getattr(found, name, None)) is not None}
    if "pattern" in limits:
        limits["pattern"] = limits["pattern"].replace(PYTHON_END, JSON_SCHEMA_END)
    return limits


def _unwrap(found: inspect.Type) -> Any:
    return found.type if isinstance(found, inspect.Metadata) else found


def _with_description(schema: Schema, described: Schema) -> Schema:
    """A schema with a description; a reference can't have one, so it becomes the only part of an `allOf`."""
    if not described:
        return schema
    return {"allOf": [schema], **described} if "$ref" in schema else {**schema, **described}


def _hoist_description(member: Schema) -> Schema:
    """Remove and return the description of the only member beside null; generators expect it on the union."""
    return {key: member.pop(key) for key in ("description", "examples") if key in member and "$ref" not in member}
