"""Schemas of the structs that are sent and returned, drawn from their types as generators of clients read them best.

Rules, each of them for a generator that trips over the other way:
* A choice is a `oneOf` of two or more, none of them a `oneOf` itself; a choice of structs is a component with a name.
* A component has no default of its own. A field says its default when that is a plain value of a plain type.
* A name is given once: two classes of one name are refused when the document is built.
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
PYTHON_END, JSON_SCHEMA_END = (
    r"$(?!\n)",
    "$",
)  # Python's `$` also stands before a last line feed; the document's does not
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
ENUM_DESCRIPTIONS: dict[type[Enum], dict[Any, str]] = {
    status.Status: status.STATUS_DESCRIPTIONS
}  # what the values of an enum mean
JSON_TYPES = {bool: "boolean", int: "integer", str: "string"}


class SchemaBuilder:
    """The components of what is sent, or of what is returned, collected while operations are drawn.

    names    names of structs that are not called as their class is
    choices  names of choices of structs, by the classes
    mark     stands before the names in references
    sent     by clients, who may leave out what has a default; else by us, who leave out nothing
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
        """The schema of a type; whatever has a name becomes a component. Raises TypeError for what has none."""
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
        for kind, draw in self._builders().items():
            if isinstance(found, kind):
                return draw(found)
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

    def _component(self, found: Any, draw: Callable[[Any], Schema]) -> Schema:
        name = self._names.get(found.cls, found.cls.__name__)
        if self._classes.setdefault(name, found.cls) is not found.cls:
            raise TypeError(f"Two classes of the document are called {name}: {self._classes[name]} and {found.cls}.")
        if name not in self.components:
            self.components[name] = {}  # it may name itself
            self.components[name] = {"title": name, "description": cleandoc(found.cls.__doc__ or ""), **draw(found)}
        return self._ref(name)

    def _ref(self, name: str) -> Schema:
        return {"$ref": f"{REF_PREFIX}{self._mark}{name}"}

    def _struct(self, found: inspect.StructType) -> Schema:
        tag = {found.tag_field: {"type": "string", "const": found.tag}} if found.tag_field else {}
        properties: Schema = {**tag, **{one.encode_name: self._field(one) for one in found.fields}}
        required = [one.encode_name for one in found.fields if one.required or self._is_always_present(found, one)]
        if not self._is_request:
            required = [*tag, *required]
        drawn: Schema = {"type": "object", "properties": properties}
        if required:
            drawn["required"] = required
        if found.forbid_unknown_fields:
            drawn["additionalProperties"] = False
        return drawn

    def _is_always_present(self, found: inspect.StructType, field: inspect.Field) -> bool:
        """Whether a field that has a default is in every reply; one without a value of its own may be UNSET."""
        has_default = field.default is not NODEFAULT or field.default_factory is not NODEFAULT
        return not self._is_request and has_default and not found.cls.__struct_config__.omit_defaults

    def _field(self, field: inspect.Field) -> Schema:
        drawn = self._schema(field.type)
        default = field.default if self._is_request else None
        if isinstance(default, Enum):
            said = f"{drawn.get('description', '')} Default: `{default.value}`.".strip()
            return _with_description(drawn, {"description": said})
        return {**drawn, "default": default} if isinstance(default, PLAIN_TYPES) else drawn

    def _union(self, found: inspect.UnionType) -> Schema:
        members = [one for one in found.types if not isinstance(one, inspect.NoneType)]
        structs = [one for one in members if isinstance(_unwrap(one), inspect.StructType)]
        others = [self._schema(one) for one in members if one not in structs]
        if {"type": "number"} in others:  # a whole number is one as well, and a choice fits once
            others = [one for one in others if one != {"type": "integer"}]
        drawn = [*others, *self._struct_union([_unwrap(one) for one in structs])]
        nullable = [dict(NULL)] if len(members) < len(found.types) else []
        if len(drawn) + len(nullable) == 1:
            return drawn[0]
        words = _hoist_description(drawn[0]) if len(drawn) == 1 else {}
        return {**words, "oneOf": [*drawn, *nullable]}

    def _struct_union(self, structs: list[Any]) -> list[Schema]:
        """A choice of structs under its one name; a single struct as it is."""
        refs = [self._schema(one) for one in structs]
        if len(structs) < 2:  # noqa: PLR2004  # no choice
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
        """A member of a choice has its tag; one that is alone in its place may go without."""
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
        most = {} if found.max_length is None else {"maxProperties": found.max_length}
        names = self._schema(found.key_type)
        del names["type"]  # always a string
        return {
            "type": "object",
            "additionalProperties": self._schema(found.value_type),
            **({"propertyNames": names} if names else {}),
            **most,
        }


def _untagged_structs(union: UnionType) -> tuple[type, ...]:
    """The structs of a union that msgspec can write and not read, since none has a tag."""
    parts = get_args(union)
    bare = [one for one in parts if issubclass(one, Struct) and one.__struct_config__.tag is None]
    return parts if len(bare) > 1 else ()


def _union_name(parts: tuple[type, ...]) -> str:
    """What a choice of replies is called: a list that is whole or paged, or one thing or another."""
    *others, last = (one.__name__ for one in parts)
    return f"{last.removesuffix('Page')}List" if last.endswith("Page") else "Or".join([*others, last])


def _enum(found: inspect.EnumType) -> Schema:
    members = list(found.cls)
    drawn: Schema = {
        "type": JSON_TYPES[type(members[0].value)],
        "enum": [one.value for one in members],
        "x-enum-varnames": [one.name for one in members],
    }
    if said := ENUM_DESCRIPTIONS.get(found.cls):
        drawn["x-enum-descriptions"] = [said[one] for one in members]
    return drawn


def _literal(found: inspect.LiteralType) -> Schema:
    (kind,) = {JSON_TYPES[type(one)] for one in found.values}
    if len(found.values) == 1:
        return {"type": kind, "const": found.values[0]}
    return {"type": kind, "enum": list(found.values)}


def _constraints(found: Any, names: dict[str, str]) -> Schema:
    drawn = {word: bound for name, word in names.items() if (bound := getattr(found, name, None)) is not None}
    if "pattern" in drawn:
        drawn["pattern"] = drawn["pattern"].replace(PYTHON_END, JSON_SCHEMA_END)
    return drawn


def _unwrap(found: inspect.Type) -> Any:
    return found.type if isinstance(found, inspect.Metadata) else found


def _with_description(drawn: Schema, words: Schema) -> Schema:
    """A schema with its description beside it; a reference can't have one, so it becomes the one part of an `allOf`."""
    if not words:
        return drawn
    return {"allOf": [drawn], **words} if "$ref" in drawn else {**drawn, **words}


def _hoist_description(member: Schema) -> Schema:
    """What is said of the one member beside null, moved to the choice, where people and generators look for it."""
    return {word: member.pop(word) for word in ("description", "examples") if word in member and "$ref" not in member}
