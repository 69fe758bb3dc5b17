"""Which monitor types need a client library that is not always installed, and what brings it."""

from importlib.util import find_spec

EXTRAS: dict[str, tuple[str, str]] = {  # type: (what the probe imports, the extra that brings it)
    "mysql": ("aiomysql", "mysql"),
    "grpc": ("grpc_reflection", "grpc"),
    "mongodb": ("bson", "mongo"),
    "rabbitmq": ("pamqp", "rabbitmq"),
    "sqlserver": ("pytds", "sqlserver"),
}
MODULE_EXTRAS = {"spnego": "ntlm"}  # modules that some monitors of a type need, by the extra that brings them


def missing_extra(type_: str) -> str:
    """The extra that monitors of this type need and that is not here; empty when there is nothing to install."""
    module, extra = EXTRAS.get(type_, ("", ""))
    return extra if module and find_spec(module) is None else ""


def extra_for_import(type_: str, module: str) -> str:
    """The extra to install where a check of this type could not import this module; empty when none brings it."""
    return missing_extra(type_) or MODULE_EXTRAS.get(module, "")
