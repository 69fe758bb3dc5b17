"""Validates new configs of monitors and channels, and replaces masks by the stored secrets."""

from typing import Any, TypeVar

from msgspec import Struct

from app.domain import config_rules
from app.domain.validation import structs
from app.errors import Invalid
from app.security.secrets import sealing
from schema.errors import FieldError

Config = TypeVar("Config", bound=Struct)


class NoSecrets(Struct, frozen=True):
    """A config without secrets: the old config of a new one."""


_NO_SECRETS = NoSecrets()


def validate_new(config: Config) -> Config:
    """A valid new config. Raises Invalid for a mask, since there is no old secret."""
    return _merge_and_validate(config, _NO_SECRETS)


def validate_replacement(old: Config, new: dict[str, Any]) -> Config:
    """The whole config that replaces the old one; a mask keeps the old secret. Raises Invalid."""
    config: Config = structs.validate(new, type(old), "config")
    return _merge_and_validate(config, old)


def _merge_and_validate(config: Config, old: Struct) -> Config:
    try:
        merged = sealing.merge_masked(config, old)
        if errors := config_rules.field_errors(merged):
            raise Invalid(errors)
    except Invalid as invalid:
        raise Invalid([FieldError(f"config.{error.field}", error.message) for error in invalid.fields]) from invalid
    return merged
