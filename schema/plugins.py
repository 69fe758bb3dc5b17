"""Plugins: monitor types as document 002 knows them."""

from typing import Annotated

from msgspec import Meta, Struct

FieldDescriptions = dict[str, str]


class Plugin(Struct, frozen=True, kw_only=True):
    """A kind of check, and what its `config` takes: names with what they mean."""

    name: str
    description: str
    required_config: FieldDescriptions
    optional_config: FieldDescriptions
    aliases: Annotated[list[str], Meta(description="Other names it answers to.")] = []


class Plugins(Struct, frozen=True, kw_only=True):
    """Every kind of check there is."""

    plugins: list[Plugin]
    count: int
