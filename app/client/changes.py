"""`watchkeeper add`, `pause`, `resume`, `ack`: what is done to monitors and incidents."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from app.client import NOT_ASKED, SUCCESS, monitors
from app.client.check import asked_of
from app.client.screen import as_json, complain, say
from app.client.server import Refused, Server


async def add(server: Server, type_: str, name: str, pairs: Sequence[str], *, interval: int | None, json: bool) -> int:
    """Add a monitor. Raises Refused."""
    body: dict[str, Any] = {"name": name, "type": type_, "config": asked_of(type_, pairs)["config"]}
    if interval:
        body["interval"] = interval
    added = await server.post("/monitors", body)
    say(as_json(added) if json else f"Added {added['name']} ({added['id']}).")
    if not json and type_ == "push":
        say(f"Reports go to {server.url}/api/v1/push/{added['config']['token']}")
    return SUCCESS


async def switch(server: Server, action: str, wanted: Sequence[str], *, json: bool) -> int:
    """Pause or resume monitors by name or id; all that can be, and `NOT_ASKED` when one can't. Raises Refused."""
    known = await monitors.every(server)
    ids = [monitors.id_of(one, {found["id"]: found["name"] for found in known}) for one in wanted]
    reply = await server.post("/monitors/bulk", {"action": action, "ids": ids})
    if json:
        say(as_json(reply))
    for name, result in zip(wanted, reply["results"], strict=False):
        if not result["ok"]:
            complain(f"{name}: {result['error']['message']}")
        elif not json:
            say(f"{action.capitalize()}d {name}.")
    return NOT_ASKED if reply["failed"] else SUCCESS


async def acknowledge(server: Server, wanted: str, *, json: bool) -> int:
    """Acknowledge an incident by its id, or the open ones of a monitor by its name. Raises Refused."""
    ids = [wanted] if _is_id(wanted) else await _open_of(server, wanted)
    done = [await server.post(f"/incidents/{one}/acknowledge", None) for one in ids]
    say(as_json(done) if json else "\n".join(f"Acknowledged: {one['title']}." for one in done))
    return SUCCESS


def _is_id(text: str) -> bool:
    try:
        return bool(UUID(text))
    except ValueError:
        return False


async def _open_of(server: Server, name: str) -> list[str]:
    known = {one["id"]: one["name"] for one in await monitors.every(server)}
    asked = await server.get("/incidents", status="open", monitor_id=monitors.id_of(name, known))
    found = [one["id"] for one in asked["incidents"]]
    if not found:
        raise Refused(f"{name} has no open incident")
    return found
