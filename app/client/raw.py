"""`watchkeeper request`: sends any request to the API, signed in, and prints the JSON reply."""

from collections.abc import Sequence

from app.client import SUCCESS
from app.client.check import check_of_pairs
from app.client.screen import as_json, print_line
from app.client.server import ApiClient


async def run(api: ApiClient, path: str, pairs: Sequence[str], *, method: str = "") -> int:
    """Request a path below /api/v1. Raises CommandFailed.

    pairs   name=value: the query of a GET or DELETE, the JSON body of all others
    method  empty: POST if there are pairs, else GET
    """
    fields = check_of_pairs("", pairs)["config"]
    method = (method or ("POST" if fields else "GET")).upper()
    api_path = "/" + path.removeprefix("/api/v1").lstrip("/")
    if method in {"GET", "DELETE"}:
        query = {name: value if isinstance(value, str) else as_json(value) for name, value in fields.items()}
        reply = await api.request(method, api_path, params=query)
    else:
        reply = await api.request(method, api_path, **({"json": fields} if fields else {}))
    if reply is not None:
        print_line(as_json(reply))
    return SUCCESS
