"""`watchkeeper request`: any request to the API, signed in; prints the JSON of the reply."""

from collections.abc import Sequence

from app.client import SUCCESS
from app.client.check import asked_of
from app.client.screen import as_json, say
from app.client.server import Server


async def run(server: Server, path: str, pairs: Sequence[str], *, method: str = "") -> int:
    """Ask for a path below /api/v1. Raises Refused.

    pairs   name=value: the query of a GET and a DELETE, the JSON body of everything else
    method  empty: POST when there are pairs, else GET
    """
    given = asked_of("", pairs)["config"]
    method = (method or ("POST" if given else "GET")).upper()
    where = "/" + path.removeprefix("/api/v1").lstrip("/")
    if method in {"GET", "DELETE"}:
        query = {name: value if isinstance(value, str) else as_json(value) for name, value in given.items()}
        reply = await server.ask(method, where, params=query)
    else:
        reply = await server.ask(method, where, **({"json": given} if given else {}))
    if reply is not None:
        say(as_json(reply))
    return SUCCESS
