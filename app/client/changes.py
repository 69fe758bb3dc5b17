"""`watchkeeper add`, `pause`, `resume`, `ack`: what is done to monitors and incidents."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from app.client import NOT_RUN, SUCCESS, monitors
from app.client.check import check_of_pairs
from app.client.screen import as_json, print_error, print_line
from app.client.server import ApiClient, CommandFailed


async def create_monitor(
    server: ApiClient, type_: str, name: str, pairs: Sequence[str], *, interval: int | None, json: bool
) -> int:
    """Add a monitor. Raises Refused."""
    body: dict[str, Any] = {"name": name, "type": type_, "config": check_of_pairs(type_, pairs)["config"]}
    if interval:
        body["interval"] = interval
    added = await server.post("/monitors", body)
    print_line(as_json(added) if json else f"Added {added['name']} ({added['id']}).")
    if not json and type_ == "push":
        print_line(f"Reports go to {server.url}/api/v1/push/{added['config']['token']}")
    return SUCCESS


async def set_active(server: ApiClient, action: str, names: Sequence[str], *, json: bool) -> int:
    """Pause or resume monitors by name or id; all that can be, and `NOT_ASKED` when one can't. Raises Refused."""
    known = await monitors.list_monitors(server)
    ids = [monitors.id_of(one, {found["id"]: found["name"] for found in known}) for one in names]
    reply = await server.post("/monitors/bulk", {"action": action, "ids": ids})
    if json:
        print_line(as_json(reply))
    for name, result in zip(names, reply["results"], strict=False):
        if not result["ok"]:
            print_error(f"{name}: {result['error']['message']}")
        elif not json:
            print_line(f"{action.capitalize()}d {name}.")
    return NOT_RUN if reply["failed"] else SUCCESS


async def acknowledge_incidents(server: ApiClient, target: str, *, json: bool) -> int:
    """Acknowledge an incident by its id, or the open ones of a monitor by its name. Raises Refused."""
    ids = [target] if _is_id(target) else await _open_incidents(server, target)
    done = [await server.post(f"/incidents/{one}/acknowledge", None) for one in ids]
    print_line(as_json(done) if json else "\n".join(f"Acknowledged: {one['title']}." for one in done))
    return SUCCESS


def _is_id(text: str) -> bool:
    try:
        return bool(UUID(text))
    except ValueError:
        return False


async def _open_incidents(server: ApiClient, name: str) -> list[str]:
    known = {one["id"]: one["name"] for one in await monitors.list_monitors(server)}
    asked = await server.get("/incidents", status="open", monitor_id=monitors.id_of(name, known))
    found = [one["id"] for one in asked["incidents"]]
    if not found:
        raise CommandFailed(f"{name} has no open incident")
    return found
