"""Plugins: monitor types in the terms of document 002."""

from typing import Annotated

from msgspec import Meta, Struct

FieldDescriptions = dict[str, str]


class Plugin(Struct, frozen=True, kw_only=True):
    """A type of check, with the names and descriptions of its `config` fields."""

    name: str
    description: str
    required_config: FieldDescriptions
    optional_config: FieldDescriptions
    aliases: Annotated[list[str], Meta(description="Other names of this plugin.")] = []


class Plugins(Struct, frozen=True, kw_only=True):
    """Every type of check."""

    plugins: list[Plugin]
    count: int
