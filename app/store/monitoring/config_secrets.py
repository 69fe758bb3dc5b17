"""Configs of monitors and channels on their way in: strict, and with the mask standing for what is stored."""

from typing import Any, TypeVar

from msgspec import Struct

from app.domain import config_rules
from app.domain.validation import structs
from app.errors import Invalid
from app.security.secrets import sealing
from schema.errors import FieldError

Config = TypeVar("Config", bound=Struct)


class NoSecrets(Struct, frozen=True):
    """A config without secrets: what a new one's mask would have to stand for."""


_NO_SECRETS = NoSecrets()


def validate_new(config: Config) -> Config:
    """A new config. Raises Invalid for a mask, which has nothing to stand for."""
    return _merge_and_validate(config, _NO_SECRETS)


def validate_replacement(old: Config, new: dict[str, Any]) -> Config:
    """What takes the old config's place, whole; where it says the mask, the old secret stays. Raises Invalid."""
    config: Config = structs.validate(new, type(old), "config")
    return _merge_and_validate(config, old)


def _merge_and_validate(config: Config, old: Struct) -> Config:
    try:
        kept = sealing.merge_masked(config, old)
        if wrong := config_rules.field_errors(kept):
            raise Invalid(wrong)
    except Invalid as refused:
        raise Invalid([FieldError(f"config.{one.field}", one.message) for one in refused.fields]) from refused
    return kept
