"""`watchkeeper monitors`: what is watched, and where it stands."""

from typing import Any

from app.client import SUCCESS
from app.client.screen import as_json, format_table, local_time, local_zone, print_line
from app.client.server import ApiClient, CommandFailed

STATUS_NAMES = ("down", "up", "pending", "maintenance", "degraded", "unknown")  # by the status's number
COLUMNS = ("NAME", "TYPE", "STATUS", f"SINCE ({local_zone()})", "SCHEDULE", "ID")
PAGE_SIZE = 100  # of one page


async def run(server: ApiClient, *, json: bool) -> int:
    """List all of them. Raises Refused."""
    found = await list_monitors(server)
    print_line(as_json(found) if json else format_table(COLUMNS, [row_of(one) for one in found]))
    return SUCCESS


async def list_monitors(server: ApiClient) -> list[dict[str, Any]]:
    """All monitors, page by page. Raises Refused."""
    found: list[dict[str, Any]] = []
    page = 1
    while True:
        told = await server.get("/monitors", page=page, limit=PAGE_SIZE)
        found += told["data"]
        if not told["pagination"]["has_next"]:
            return found
        page += 1


def status_of(monitor: dict[str, Any]) -> str:
    """Its status's name; a monitor that is switched off is paused."""
    return STATUS_NAMES[monitor["status"]] if monitor["active"] else "paused"


def row_of(monitor: dict[str, Any]) -> list[str]:
    """A monitor as a line of the table."""
    every_s = monitor["interval"]
    schedule = f"{every_s} s" if every_s else monitor["cron"] or "on demand"
    since = local_time(monitor["status_since"]) if monitor["status_since"] else ""
    return [monitor["name"], monitor["type"], status_of(monitor), since, schedule, monitor["id"]]


def id_of(wanted: str, names: dict[str, str]) -> str:
    """The id of the one monitor of that name or id; `names` has all of them by id. Raises Refused."""
    found = [id_ for id_, name in names.items() if wanted in {id_, name}]
    if len(found) == 1:
        return found[0]
    raise CommandFailed(
        f"{len(found)} monitors are called {wanted!r}: use an id" if found else f"no monitor {wanted!r}"
    )
