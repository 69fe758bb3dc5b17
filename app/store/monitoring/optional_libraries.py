"""Optional client libraries: whether the one that a monitor type needs is installed."""

from app.errors import Invalid
from schema.targets import Target
from schema.targets.extras import missing_extra


def require_library(target: Target) -> None:
    """Raise Invalid, naming the extra, when the type's client library is not installed."""
    if extra := missing_extra(str(target.__struct_config__.tag)):
        raise Invalid.for_field("type", f"needs a library that is not installed; `just extra {extra}` installs it")
