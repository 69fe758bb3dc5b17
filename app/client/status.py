"""`watchkeeper status`: counts monitors by status and lists those with problems; the exit code is the worst status."""

from collections import Counter

from app.client import ERROR, SUCCESS, WARNING, monitors
from app.client.screen import as_json, format_table, print_line
from app.client.server import ApiClient

EXIT_CODES = {"down": ERROR, "pending": WARNING, "degraded": WARNING, "unknown": WARNING}


async def run(api: ApiClient, *, json: bool) -> int:
    """Print the counts and the monitors with problems. Raises CommandFailed."""
    all_monitors = await monitors.list_monitors(api)
    counts = Counter(map(monitors.status_of, all_monitors))
    unwell = [monitor for monitor in all_monitors if monitors.status_of(monitor) in EXIT_CODES]
    if json:
        print_line(as_json({"total": len(all_monitors), "statuses": counts, "unwell": unwell}))
    else:
        summary = ", ".join(f"{counts[name]} {name}" for name in (*monitors.STATUS_NAMES, "paused") if counts[name])
        print_line(f"{len(all_monitors)} monitors" + (f": {summary}" if summary else ""))
        if unwell:
            print_line(format_table(monitors.COLUMNS, [monitors.row_of(monitor) for monitor in unwell]))
    return max((EXIT_CODES.get(status, SUCCESS) for status in counts), default=SUCCESS)
