"""Configs of monitors and channels on their way in: strict, and with the mask standing for what is stored."""

from typing import Any, TypeVar

from msgspec import Struct

from app.domain import config_rules
from app.domain.validation import structs
from app.errors import Invalid
from app.security.secrets import sealing
from schema.errors import FieldError

S = TypeVar("S", bound=Struct)


class Nothing(Struct, frozen=True):
    """A config without secrets: what a new one's mask would have to stand for."""


_NOTHING = Nothing()


def fresh(config: S) -> S:
    """A new config. Raises Invalid for a mask, which has nothing to stand for."""
    return _kept(config, _NOTHING)


def replaced(old: S, new: dict[str, Any]) -> S:
    """What takes the old config's place, whole; where it says the mask, the old secret stays. Raises Invalid."""
    config: S = structs.fit(new, type(old), "config")
    return _kept(config, old)


def _kept(config: S, old: Struct) -> S:
    try:
        kept = sealing.kept(config, old)
        if wrong := config_rules.field_errors(kept):
            raise Invalid(wrong)
    except Invalid as refused:
        raise Invalid([FieldError(f"config.{one.field}", one.message) for one in refused.fields]) from refused
    return kept
