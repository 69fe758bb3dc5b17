"""`watchkeeper monitors`: what is watched, and where it stands."""

from typing import Any

from app.client import SUCCESS
from app.client.screen import as_json, say, table
from app.client.server import Server

NAMES = ("down", "up", "pending", "maintenance", "degraded", "unknown")  # by the status's number
HEADS = ("NAME", "TYPE", "STATUS", "SINCE", "SCHEDULE", "ID")
LIMIT = 100  # of one page


async def run(server: Server, *, json: bool) -> int:
    """List all of them. Raises Refused."""
    found = await every(server)
    say(as_json(found) if json else table(HEADS, [row_of(one) for one in found]))
    return SUCCESS


async def every(server: Server) -> list[dict[str, Any]]:
    """All monitors, page by page. Raises Refused."""
    found: list[dict[str, Any]] = []
    page = 1
    while True:
        told = await server.get("/monitors", page=page, limit=LIMIT)
        found += told["data"]
        if not told["pagination"]["has_next"]:
            return found
        page += 1


def status_of(monitor: dict[str, Any]) -> str:
    """Its status's name; a monitor that is switched off is paused."""
    return NAMES[monitor["status"]] if monitor["active"] else "paused"


def row_of(monitor: dict[str, Any]) -> list[str]:
    """A monitor as a line of the table."""
    every_s = monitor["interval"]
    schedule = f"{every_s} s" if every_s else monitor["cron"] or "on demand"
    since = monitor["status_since"] or ""
    return [monitor["name"], monitor["type"], status_of(monitor), since[:19], schedule, monitor["id"]]
