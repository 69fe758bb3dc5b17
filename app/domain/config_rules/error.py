"""What a rule of validation yields."""

from typing import TypeAlias

ConfigError: TypeAlias = tuple[str, str]  # field, what would be right
