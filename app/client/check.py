"""`watchkeeper check`: run checks that are kept nowhere; the exit code is the worst verdict."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from app.client import ERROR, EXITS, SUCCESS
from app.client.screen import as_json, progress, say, table
from app.client.server import Refused, Server
from app.domain.parsing import untrusted_json

AT_ONCE = 10  # checks of one request; between requests the bar moves
TIMEOUT_S = 120  # of one request


async def run(server: Server, asked: Sequence[dict[str, Any]], *, json: bool) -> int:
    """Run each of them, show what came back. Raises Refused."""
    if len(asked) == 1:
        result = await server.post("/checks/run", asked[0])
        say(as_json(result) if json else _rows([{**asked[0], "result": result}]))
        return EXITS[result["status"]]
    items: list[dict[str, Any]] = []
    for start in range(0, len(asked), AT_ONCE):
        progress(start, len(asked))
        body = {"checks": list(asked[start : start + AT_ONCE]), "max_workers": AT_ONCE, "timeout": TIMEOUT_S}
        items += (await server.post("/batch/run-ad-hoc", body))["results"]
    progress(len(asked), len(asked))
    say(as_json({"results": items}) if json else _rows(items))
    return max((EXITS[one["result"]["status"]] if "result" in one else ERROR for one in items), default=SUCCESS)


def asked_of(plugin_type: str, pairs: Sequence[str]) -> dict[str, Any]:
    """A check from words: `url=http://…`, `port=80`. A value that is JSON is taken as such. Raises Refused."""
    config: dict[str, Any] = {}
    for pair in pairs:
        name, found, text = pair.partition("=")
        if not (name and found):
            raise Refused(f"{pair!r} must be name=value")
        config[name] = _value_of(text)
    return {"plugin_type": plugin_type, "config": config}


def _value_of(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def read(file: str) -> list[dict[str, Any]]:
    """Checks from a file, `-` for what is piped in: a JSON list of {plugin_type, config}. Raises Refused."""
    try:
        text = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return untrusted_json.decoded_as(text, list[dict[str, Any]])
    except OSError as error:
        raise Refused(f"{file} can't be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # of msgspec's errors, too
        raise Refused(f"{file} must hold a JSON list of checks: {error}") from error


def _rows(items: Sequence[dict[str, Any]]) -> str:
    return table(["STATUS", "TYPE", "TIME", "MESSAGE"], [_row(one) for one in items])


def _row(item: dict[str, Any]) -> list[str]:
    result = item.get("result")
    if result is None:
        return ["error", item["plugin_type"], "", item["error"]]
    took_s = result["response_time"]
    took = "" if took_s is None else f"{took_s * 1000:.0f} ms"
    return [result["status"], item["plugin_type"], took, result["message"]]
