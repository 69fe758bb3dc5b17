"""Document 002 (the checks API), example by example, made from its text; and the bugs its own program has.

The examples lie in `document_002/`, copied from the document. Only what they point at differs: a server on loopback
stands in for example.com.
"""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parent / "document_002"
API = "/api/v1"
WITHIN_S = 60


def example(name: str) -> Any:
    """The document's example."""
    return json.loads((EXAMPLES / f"{name}.json").read_text())


def covers(actual: Any, wanted: Any, at: str = "") -> None:
    """Whatever the document's example has, the reply has: the same names, the same kinds of values."""
    if isinstance(wanted, dict):
        assert isinstance(actual, dict), at
        assert wanted.keys() <= actual.keys(), at
        for name, value in wanted.items():
            covers(actual[name], value, f"{at}.{name}")
    elif isinstance(wanted, list):
        assert isinstance(actual, list), at
        for number, value in enumerate(wanted[: len(actual)]):
            covers(actual[number], value, f"{at}.{number}")
    else:
        assert isinstance(actual, (int, float) if isinstance(wanted, (int, float)) else type(wanted)), (at, actual)


def instant(text: str) -> datetime:
    """A time with its zone."""
    assert text.endswith("Z"), text
    return datetime.fromisoformat(text)


async def added(api, **changes) -> dict[str, Any]:
    response = await api.post(f"{API}/checks", json={**example("check_draft"), **changes})
    assert response.status_code == 201, response.text
    return response.json()


def of(site) -> dict[str, Any]:
    return {**example("ad_hoc_check")["config"], "url": site.url}
