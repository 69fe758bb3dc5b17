"""`watchkeeper monitors`: lists monitors with their status."""

from typing import Any

from app.client import SUCCESS
from app.client.screen import as_json, format_table, local_time, local_zone, print_line
from app.client.server import ApiClient, CommandFailed

STATUS_NAMES = ("down", "up", "pending", "maintenance", "degraded", "unknown")  # indexed by the status's number
COLUMNS = ("NAME", "TYPE", "STATUS", f"SINCE ({local_zone()})", "SCHEDULE", "ID")
PAGE_SIZE = 100


async def run(api: ApiClient, *, json: bool) -> int:
    """Print all monitors. Raises CommandFailed."""
    all_monitors = await list_monitors(api)
    print_line(as_json(all_monitors) if json else format_table(COLUMNS, [row_of(monitor) for monitor in all_monitors]))
    return SUCCESS


async def list_monitors(api: ApiClient) -> list[dict[str, Any]]:
    """All monitors, page by page. Raises CommandFailed."""
    all_monitors: list[dict[str, Any]] = []
    page = 1
    while True:
        reply = await api.get("/monitors", page=page, limit=PAGE_SIZE)
        all_monitors += reply["data"]
        if not reply["pagination"]["has_next"]:
            return all_monitors
        page += 1


def status_of(monitor: dict[str, Any]) -> str:
    """The name of a monitor's status, or `paused` if it is not active."""
    return STATUS_NAMES[monitor["status"]] if monitor["active"] else "paused"


def row_of(monitor: dict[str, Any]) -> list[str]:
    """A monitor as a row of the table."""
    every_s = monitor["interval"]
    schedule = f"{every_s} s" if every_s else monitor["cron"] or "on demand"
    since = local_time(monitor["status_since"]) if monitor["status_since"] else ""
    return [monitor["name"], monitor["type"], status_of(monitor), since, schedule, monitor["id"]]


def id_of(target: str, names: dict[str, str]) -> str:
    """The id of the only monitor with this name or id; `names` maps ids to names. Raises CommandFailed."""
    matches = [id_ for id_, name in names.items() if target in {id_, name}]
    if len(matches) == 1:
        return matches[0]
    raise CommandFailed(
        f"{len(matches)} monitors are called {target!r}: use an id" if matches else f"no monitor {target!r}"
    )
