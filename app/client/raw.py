"""`watchkeeper request`: any request to the API, signed in; prints the JSON of the reply."""

from collections.abc import Sequence

from app.client import SUCCESS
from app.client.check import check_of_pairs
from app.client.screen import as_json, print_line
from app.client.server import ApiClient


async def run(server: ApiClient, path: str, pairs: Sequence[str], *, method: str = "") -> int:
    """Ask for a path below /api/v1. Raises Refused.

    pairs   name=value: the query of a GET and a DELETE, the JSON body of everything else
    method  empty: POST when there are pairs, else GET
    """
    given = check_of_pairs("", pairs)["config"]
    method = (method or ("POST" if given else "GET")).upper()
    where = "/" + path.removeprefix("/api/v1").lstrip("/")
    if method in {"GET", "DELETE"}:
        query = {name: value if isinstance(value, str) else as_json(value) for name, value in given.items()}
        reply = await server.request(method, where, params=query)
    else:
        reply = await server.request(method, where, **({"json": given} if given else {}))
    if reply is not None:
        print_line(as_json(reply))
    return SUCCESS
