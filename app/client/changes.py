"""`watchkeeper add`, `pause`, `resume`, `ack`: changes monitors and incidents."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from app.client import NOT_RUN, SUCCESS, monitors
from app.client.check import check_of_pairs
from app.client.screen import as_json, print_error, print_line
from app.client.server import ApiClient, CommandFailed


async def create_monitor(
    api: ApiClient, type_: str, name: str, pairs: Sequence[str], *, interval: int | None, json: bool
) -> int:
    """Add a monitor. Raises CommandFailed."""
    body: dict[str, Any] = {"name": name, "type": type_, "config": check_of_pairs(type_, pairs)["config"]}
    if interval:
        body["interval"] = interval
    monitor = await api.post("/monitors", body)
    print_line(as_json(monitor) if json else f"Added {monitor['name']} ({monitor['id']}).")
    if not json and type_ == "push":
        print_line(f"Reports go to {api.url}/api/v1/push/{monitor['config']['token']}")
    return SUCCESS


async def set_active(api: ApiClient, action: str, names: Sequence[str], *, json: bool) -> int:
    """Pause or resume monitors by name or id; returns NOT_RUN if one failed. Raises CommandFailed."""
    all_monitors = await monitors.list_monitors(api)
    known = {monitor["id"]: monitor["name"] for monitor in all_monitors}
    ids = [monitors.id_of(name, known) for name in names]
    reply = await api.post("/monitors/bulk", {"action": action, "ids": ids})
    if json:
        print_line(as_json(reply))
    for name, result in zip(names, reply["results"], strict=False):
        if not result["ok"]:
            print_error(f"{name}: {result['error']['message']}")
        elif not json:
            print_line(f"{action.capitalize()}d {name}.")
    return NOT_RUN if reply["failed"] else SUCCESS


async def acknowledge_incidents(api: ApiClient, target: str, *, json: bool) -> int:
    """Acknowledge an incident by its id, or the open ones of a monitor by its name. Raises CommandFailed."""
    ids = [target] if _is_id(target) else await _open_incidents(api, target)
    incidents = [await api.post(f"/incidents/{id_}/acknowledge", None) for id_ in ids]
    print_line(
        as_json(incidents) if json else "\n".join(f"Acknowledged: {incident['title']}." for incident in incidents)
    )
    return SUCCESS


def _is_id(text: str) -> bool:
    try:
        return bool(UUID(text))
    except ValueError:
        return False


async def _open_incidents(api: ApiClient, name: str) -> list[str]:
    names = {monitor["id"]: monitor["name"] for monitor in await monitors.list_monitors(api)}
    page = await api.get("/incidents", status="open", monitor_id=monitors.id_of(name, names))
    ids = [incident["id"] for incident in page["incidents"]]
    if not ids:
        raise CommandFailed(f"{name} has no open incident")
    return ids
