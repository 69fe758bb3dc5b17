"""`watchkeeper check`: runs checks without storing them; the exit code is the worst result."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from app.client import ERROR, EXIT_CODES, SUCCESS
from app.client.screen import as_json, format_table, print_line, show_progress
from app.client.server import ApiClient, CommandFailed
from app.domain.parsing import untrusted_json

BATCH_SIZE = 10  # checks per request; the progress bar moves between requests
TIMEOUT_S = 120  # per request


async def run(api: ApiClient, checks: Sequence[dict[str, Any]], *, json: bool) -> int:
    """Run the checks and print their results. Raises CommandFailed."""
    if len(checks) == 1:
        result = await api.post("/checks/run", checks[0])
        print_line(as_json(result) if json else _result_table([{**checks[0], "result": result}]))
        return EXIT_CODES[result["status"]]
    items: list[dict[str, Any]] = []
    for start in range(0, len(checks), BATCH_SIZE):
        show_progress(start, len(checks))
        body = {"checks": list(checks[start : start + BATCH_SIZE]), "max_workers": BATCH_SIZE, "timeout": TIMEOUT_S}
        items += (await api.post("/batch/run-ad-hoc", body))["results"]
    show_progress(len(checks), len(checks))
    print_line(as_json({"results": items}) if json else _result_table(items))
    return max((EXIT_CODES[item["result"]["status"]] if "result" in item else ERROR for item in items), default=SUCCESS)


def check_of_pairs(plugin_type: str, pairs: Sequence[str]) -> dict[str, Any]:
    """A check from arguments such as `url=http://…`, `port=80`; JSON values are decoded. Raises CommandFailed."""
    config: dict[str, Any] = {}
    for pair in pairs:
        name, separator, text = pair.partition("=")
        if not (name and separator):
            raise CommandFailed(f"{pair!r} must be name=value")
        config[name] = _parse_value(text)
    return {"plugin_type": plugin_type, "config": config}


def _parse_value(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def read_checks(file: str) -> list[dict[str, Any]]:
    """Checks from a file, or from stdin for `-`: a JSON list of {plugin_type, config}. Raises CommandFailed."""
    try:
        text = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return untrusted_json.decode_as(text, list[dict[str, Any]])
    except OSError as error:
        raise CommandFailed(f"{file} can't be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # includes msgspec's errors
        raise CommandFailed(f"{file} must hold a JSON list of checks: {error}") from error


def _result_table(items: Sequence[dict[str, Any]]) -> str:
    return format_table(["STATUS", "TYPE", "TIME", "MESSAGE"], [_result_row(item) for item in items])


def _result_row(item: dict[str, Any]) -> list[str]:
    result = item.get("result")
    if result is None:
        return ["error", item["plugin_type"], "", item["error"]]
    took_s = result["response_time"]
    took = "" if took_s is None else f"{took_s * 1000:.0f} ms"
    return [result["status"], item["plugin_type"], took, result["message"]]
