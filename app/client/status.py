"""`watchkeeper status`: how many are well, and which are not; the exit code is the worst of them."""

from collections import Counter

from app.client import ERROR, SUCCESS, WARNING, monitors
from app.client.screen import as_json, format_table, print_line
from app.client.server import ApiClient

EXIT_CODES = {"down": ERROR, "pending": WARNING, "degraded": WARNING, "unknown": WARNING}


async def run(server: ApiClient, *, json: bool) -> int:
    """Count, and list what needs somebody. Raises Refused."""
    found = await monitors.list_monitors(server)
    counts = Counter(map(monitors.status_of, found))
    unwell = [one for one in found if monitors.status_of(one) in EXIT_CODES]
    if json:
        print_line(as_json({"total": len(found), "statuses": counts, "unwell": unwell}))
    else:
        told = ", ".join(f"{counts[name]} {name}" for name in (*monitors.STATUS_NAMES, "paused") if counts[name])
        print_line(f"{len(found)} monitors" + (f": {told}" if told else ""))
        if unwell:
            print_line(format_table(monitors.COLUMNS, [monitors.row_of(one) for one in unwell]))
    return max((EXIT_CODES.get(status, SUCCESS) for status in counts), default=SUCCESS)
