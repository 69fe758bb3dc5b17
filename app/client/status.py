"""`watchkeeper status`: how many are well, and which are not; the exit code is the worst of them."""

from collections import Counter

from app.client import ERROR, SUCCESS, WARNING, monitors
from app.client.screen import as_json, say, table
from app.client.server import Server

EXITS = {"down": ERROR, "pending": WARNING, "degraded": WARNING, "unknown": WARNING}


async def run(server: Server, *, json: bool) -> int:
    """Count, and list what needs somebody. Raises Refused."""
    found = await monitors.every(server)
    counts = Counter(map(monitors.status_of, found))
    unwell = [one for one in found if monitors.status_of(one) in EXITS]
    if json:
        say(as_json({"total": len(found), "statuses": counts, "unwell": unwell}))
    else:
        told = ", ".join(f"{counts[name]} {name}" for name in (*monitors.NAMES, "paused") if counts[name])
        say(f"{len(found)} monitors" + (f": {told}" if told else ""))
        if unwell:
            say(table(monitors.HEADS, [monitors.row_of(one) for one in unwell]))
    return max((EXITS.get(status, SUCCESS) for status in counts), default=SUCCESS)
