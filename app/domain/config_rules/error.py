"""The error that config rules yield."""

from typing import TypeAlias

ConfigError: TypeAlias = tuple[str, str]  # field, what it must be
