"""Monitor types that need an optional client library, and the extra that installs it."""

from importlib.util import find_spec

EXTRAS: dict[str, tuple[str, str]] = {  # type: (module that the probe imports, extra that installs it)
    "mysql": ("aiomysql", "mysql"),
    "grpc": ("grpc_reflection", "grpc"),
    "mongodb": ("bson", "mongo"),
    "rabbitmq": ("pamqp", "rabbitmq"),
    "sqlserver": ("pytds", "sqlserver"),
}
MODULE_EXTRAS = {"spnego": "ntlm"}  # module that only some monitors of a type need: extra


def missing_extra(type_: str) -> str:
    """The extra that this monitor type needs and that is not installed; empty when nothing is missing."""
    module, extra = EXTRAS.get(type_, ("", ""))
    return extra if module and find_spec(module) is None else ""


def extra_for_import(type_: str, module: str) -> str:
    """The extra to install when a check of this type could not import this module; empty when there is none."""
    return missing_extra(type_) or MODULE_EXTRAS.get(module, "")
