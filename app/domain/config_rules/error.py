"""What a rule of validation yields."""

from typing import TypeAlias

Fault: TypeAlias = tuple[str, str]  # field, what would be right
