"""A number that a target says reaches the reply with all of its digits: through the worker, the queue and the store."""

import pytest

from tests.actors.probes.target import answering, serving
from tests.seeds.example import API, added

pytestmark = [pytest.mark.timeout(120)]

BODY = b"""{"whole": 9007199254740993, "long": 18446744073709551616, "part": 0.1000000000000000055511151231257827,
 "plain": 0.5, "text": "1.10", "yes": true, "nothing": null}"""


WRITTEN = {
    "whole": "9007199254740993",
    "long": '"18446744073709551616"',
    "part": '"0.1000000000000000055511151231257827"',
    "plain": "0.5",
    "text": '"1.10"',
    "yes": "true",
    "nothing": "null",
}
COMPARED = [
    ("whole", {"operator": "==", "expected": "9007199254740992"}, "error"),
    ("whole", {"operator": ">", "expected": "9007199254740992"}, "success"),
    ("text", {"operator": "==", "expected": "1.1"}, "error"),
    ("text", {"operator": "==", "expected": "1.1", "compare": "number"}, "success"),
    ("text", {"operator": "matches", "expected": r"^1\.\d+$"}, "success"),
]


async def test_a_value_arrives_with_all_its_digits(api, working):
    """All of them in one run of the processes: starting them takes longer than the checks."""
    async with serving(answering(BODY)) as target:
        for name, written in WRITTEN.items():
            config = {"url": target.url(), "json_query": f"$.{name}"}
            at_once = await api.post(f"{API}/checks/run", json={"plugin_type": "http", "config": config})
            check = await added(api, config=config, schedule=None, plugin_type="http")
            stored = (await api.post(f"{API}/checks/{check['id']}/run")).json()
            saved = await api.get(f"{API}/results/{stored['id']}")
            for response in (at_once, saved):
                assert response.status_code == 200, (name, response.text)
                assert f'"value":{written}' in response.text, name


async def test_a_value_compares_with_all_its_digits(api, working):
    async with serving(answering(BODY)) as target:
        for name, assertion, status in COMPARED:
            config = {"url": target.url(), "json_query": f"$.{name}", "assertions": [{"type": "value", **assertion}]}
            response = await api.post(f"{API}/checks/run", json={"plugin_type": "http", "config": config})
            assert (response.status_code, response.json()["status"]) == (200, status), (name, assertion)


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"assertions": [{"type": "value", "operator": "!=", "expected": "error"}]}, "config.assertions.0.type"),
        (
            {"json_query": "$.a", "assertions": [{"type": "value", "operator": "matches", "expected": "("}]},
            "config.assertions.0.expected",
        ),
        (
            {"header_assertions": [{"name": "X-A", "operator": "matches", "expected": "("}]},
            "config.header_assertions.0.expected",
        ),
    ],
)
async def test_assertions_that_can_never_pass_are_rejected(api, config, field):
    body = {"name": "a", "type": "http", "config": {"url": "http://127.0.0.1:1/", **config}}
    for path, wanted in (("/monitors", body), ("/checks/run", {"plugin_type": "http", "config": body["config"]})):
        response = await api.post(API + path, json=wanted)
        assert response.status_code == 422
        assert [one["field"] for one in response.json()["error"]["details"]["fields"]] == [field]
