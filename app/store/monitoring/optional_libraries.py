"""Whether this installation has what a monitor's type needs: some client libraries come as extras."""

from app.errors import Invalid
from schema.targets import Target
from schema.targets.extras import lacking


def require(target: Target) -> None:
    """Raises Invalid, naming the extra, when the type's client library is not installed."""
    if extra := lacking(str(target.__struct_config__.tag)):
        raise Invalid.one("type", f"needs watchkeeper[{extra}]: pip install 'watchkeeper[{extra}]'")
