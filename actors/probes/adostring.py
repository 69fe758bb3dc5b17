"""Connection strings as ADO.NET writes them: `Server=host,1433;Database=shop;User Id=watch;Password=…`. Pure."""

import re

from actors.probes.login import Login
from actors.probes.seen import Unsure

# Blanks belong to a name or value here, and are taken off after: there is one way only to read a text.
PART = re.compile(r"\s*([^=;\s][^=;]*)=\s*(\"(?:[^\"]|\"\")*\"\s*|'(?:[^']|'')*'\s*|[^;]*)(?:;\s*|$)")
SERVER = re.compile(r"(?:tcp:)?([^,\\\s]+)(?:,\s*(\d{1,5}))?", re.IGNORECASE)
NAMES = {  # of fields, as they may be called; spaces do not count
    "server": ("server", "datasource", "address", "addr", "networkaddress"),
    "database": ("database", "initialcatalog"),
    "username": ("userid", "uid", "user"),
    "password": ("password", "pwd"),
    "encrypt": ("encrypt",),
    "trustservercertificate": ("trustservercertificate",),
}
MEANT = {alias: name for name, aliases in NAMES.items() for alias in aliases}
# True of clients that stay; a check asks once.
NO_MATTER = frozenset(
    {
        "app",
        "applicationname",
        "commandtimeout",
        "connectiontimeout",
        "connectretrycount",
        "connectretryinterval",
        "connecttimeout",
        "loadbalancetimeout",
        "maxpoolsize",
        "minpoolsize",
        "multipleactiveresultsets",
        "multisubnetfailover",
        "persistsecurityinfo",
        "pooling",
        "timeout",
    }
)


def parsed(text: str, port: int) -> Login:
    """Raises Unsure for a string that can't be read, or asks for something that checks don't know.

    port    where the string has none
    """
    fields = _fields(text)
    found = SERVER.fullmatch(fields.pop("server", ""))
    if found is None:
        raise Unsure("the connection string must have a Server=host,port; named instances have a port of their own")
    username, password, database = (fields.pop(name, "") for name in ("username", "password", "database"))
    return Login("ado", found.group(1), int(found.group(2) or port), username, password, database, fields)


def _fields(text: str) -> dict[str, str]:
    fields, at = dict[str, str](), 0
    while at < len(text.rstrip()):
        part = PART.match(text, at)
        if part is None:
            raise Unsure("the connection string can't be read")
        name, at = re.sub(r"\s", "", part.group(1)).lower(), part.end()
        if name in MEANT:
            fields[MEANT[name]] = _unquoted(part.group(2).rstrip())
        elif name not in NO_MATTER:
            raise Unsure(f"the connection string asks for what checks don't know: {name[:80]}")
    return fields


def _unquoted(value: str) -> str:
    quote = value[:1]
    return value[1:-1].replace(quote * 2, quote) if quote in ('"', "'") and quote else value
