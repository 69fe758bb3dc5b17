"""Document 002 (the checks API), example by example, made from its text; and the bugs its own program has.

The examples lie in `document_002/`, copied from the document. Only what they point at differs: a server on loopback
stands in for example.com.
"""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from dns.message import Message, make_response
from dns.rrset import from_text

from app import cache, due, queue
from app.api import document
from app.main import create_app
from app.store import heartbeats, monitors
from schema.monitors import MonitorPatch
from schema.status import Status
from tests import make
from tests.actors.probes.nameserver import naming
from tests.app.api.people import ADMIN_TOKEN, calling
from tests.seeds.site import standing_in

pytestmark = [pytest.mark.timeout(120)]

EXAMPLES = Path(__file__).parent / "document_002"
API = "/api/v1"
WITHIN_S = 60


def example(name: str) -> Any:
    """What the document says."""
    return json.loads((EXAMPLES / f"{name}.json").read_text())


def covers(told: Any, wanted: Any, at: str = "") -> None:
    """Whatever the document's example has, the reply has: the same names, the same kinds of values."""
    if isinstance(wanted, dict):
        assert isinstance(told, dict), at
        assert wanted.keys() <= told.keys(), at
        for name, value in wanted.items():
            covers(told[name], value, f"{at}.{name}")
    elif isinstance(wanted, list):
        assert isinstance(told, list), at
        for number, value in enumerate(wanted[: len(told)]):
            covers(told[number], value, f"{at}.{number}")
    else:
        assert isinstance(told, (int, float) if isinstance(wanted, (int, float)) else type(wanted)), (at, told)


def instant(text: str) -> datetime:
    """A time that says its zone."""
    assert text.endswith("Z"), text
    return datetime.fromisoformat(text)


@pytest.fixture
def api(client):
    cache.wake()
    client.headers["Authorization"] = f"Bearer {ADMIN_TOKEN}"
    return client


@pytest.fixture
async def site():
    """What stands in for https://example.com."""
    async with standing_in() as target:
        yield target


@pytest.fixture
def working(spawn):
    """A scheduler and a worker."""
    spawn("schedule")
    return spawn("work")


async def added(api, **changes) -> dict[str, Any]:
    reply = await api.post(f"{API}/checks", json={**example("check_draft"), **changes})
    assert reply.status_code == 201, reply.text
    return reply.json()


def of(site) -> dict[str, Any]:
    return {**example("ad_hoc_check")["config"], "url": site.url}


# --- authentication


@pytest.mark.parametrize(
    ("path", "asked"),
    [("token", "auth_token_request"), ("token", "auth_login_request"), ("login", "auth_login_request")],
)
async def test_a_token_is_had_for_credentials(client, path, asked):
    credentials = example("auth_login_request")
    await client.post(f"{API}/auth/register", json={**credentials, "username": "admin"})
    reply = await client.post(f"{API}/auth/{path}", json=example(asked))
    assert reply.status_code == 200, reply.text
    covers(reply.json(), example("auth_token_reply"))
    told = reply.json()
    assert (told["token_type"], told["user"]["email"], told["user"]["is_admin"]) == ("bearer", "user@example.com", True)
    mine = await client.get(f"{API}/checks", headers={"Authorization": f"Bearer {told['access_token']}"})
    assert mine.status_code == 200


async def test_a_token_is_had_by_the_oauth2_password_flow(client):
    await client.post(f"{API}/auth/register", json={**example("auth_login_request"), "username": "admin"})
    form = {**example("auth_token_request"), "grant_type": "password"}
    reply = await client.post(f"{API}/auth/token", data=form)
    assert reply.status_code == 200, reply.text
    covers(reply.json(), example("auth_token_reply"))


# --- checks


async def test_a_check_is_created_as_the_document_does(api):
    check = await added(api)
    wanted = example("check_draft")
    assert {name: check[name] for name in wanted if name != "config"} == {
        name: value for name, value in wanted.items() if name != "config"
    }
    assert wanted["config"].items() <= check["config"].items()
    assert check["last_run"] is None
    assert instant(check["created_at"]) == instant(check["updated_at"])
    covers({**check, "last_run": check["created_at"]}, example("checks_reply")["checks"][0])


async def test_checks_are_listed_as_the_document_shows_them(api):
    check = await added(api)
    reply = (await api.get(f"{API}/checks?page=1&per_page=20&enabled=true&plugin_type=website")).json()
    covers({**reply, "checks": [{**reply["checks"][0], "last_run": check["created_at"]}]}, example("checks_reply"))
    assert reply == {"checks": [check], "page": 1, "per_page": 20, "total": 1, "pages": 1}
    assert (await api.get(f"{API}/checks?enabled=false")).json()["checks"] == []


async def test_one_check_is_read(api):
    check = await added(api)
    assert (await api.get(f"{API}/checks/{check['id']}")).json() == check


async def test_a_check_is_updated_as_the_document_does(api):
    check = await added(api)
    changed = (await api.put(f"{API}/checks/{check['id']}", json=example("check_patch"))).json()
    wanted = example("check_patch")
    assert changed["name"] == wanted["name"]
    assert wanted["config"].items() <= changed["config"].items()
    assert (changed["enabled"], changed["schedule"]) == (check["enabled"], check["schedule"])


async def test_a_check_is_deleted_without_a_word(api):
    check = await added(api)
    reply = await api.delete(f"{API}/checks/{check['id']}")
    assert (reply.status_code, reply.content) == (204, b"")
    assert (await api.get(f"{API}/checks")).json()["total"] == 0


async def test_a_check_is_run_at_once_and_its_result_stored(api, site, working):
    check = await added(api, config=of(site), schedule=None)
    reply = await api.post(f"{API}/checks/{check['id']}/run")
    assert reply.status_code == 200, reply.text
    result = reply.json()
    covers(result, example("results_reply")["results"][0])
    assert (result["check_id"], result["status"]) == (check["id"], "success")
    assert 0 < result["response_time"] < WITHIN_S
    assert (await api.get(f"{API}/results/{result['id']}")).json() == result
    listed = (await api.get(f"{API}/results?check_id={check['id']}")).json()
    assert listed["results"] == [result]
    assert (await api.get(f"{API}/checks/{check['id']}")).json()["last_run"] == result["executed_at"]


async def test_an_ad_hoc_check_runs_and_is_kept_nowhere(api, site, working):
    reply = await api.post(f"{API}/checks/run", json={**example("ad_hoc_check"), "config": of(site)})
    assert reply.status_code == 200, reply.text
    result = reply.json()
    covers({**result, "id": "x", "check_id": "x"}, example("results_reply")["results"][0])
    assert (result["id"], result["check_id"], result["status"]) == (None, None, "success")
    assert (await api.get(f"{API}/results")).json()["total"] == 0
    assert (await api.get(f"{API}/checks")).json()["total"] == 0


# --- results


@pytest.fixture
async def history(api):
    """A check with one result of each kind in the last minutes; returns the check."""
    check = await added(api)
    plan = (await monitors.change(check["id"], MonitorPatch(max_retries=0))).plans[0]
    known = {one.series: one for one in await monitors.snapshots([plan.series])}
    at_ms = due.now_ms()
    facts = example("results_reply")["results"][0]["raw_data"]
    seen = [
        make.outcome(series=plan.series, at_ms=at_ms - 120_000, early=True, message="fine", detail=facts),
        make.outcome(series=plan.series, at_ms=at_ms - 60_000, seen=Status.DEGRADED),
        make.down(series=plan.series, at_ms=at_ms),
    ]
    await heartbeats.absorb(make.results(*seen), known, at_ms)
    await cache.drop()
    return check


async def test_results_are_listed_as_the_document_shows_them(api, history):
    reply = (await api.get(f"{API}/results?page=1&per_page=20&check_id={history['id']}&status=success")).json()
    covers(reply, example("results_reply"))
    assert (reply["page"], reply["per_page"], reply["total"], reply["pages"]) == (1, 20, 1, 1)
    instant(reply["results"][0]["executed_at"])


@pytest.mark.parametrize("status", ["success", "warning", "error"])
async def test_results_are_filtered_by_status(api, history, status):
    assert [one["status"] for one in (await api.get(f"{API}/results?status={status}")).json()["results"]] == [status]


async def test_results_are_filtered_by_date(api, history):
    first, *_, last = (await api.get(f"{API}/results")).json()["results"]
    between = {"from_date": last["executed_at"], "to_date": first["executed_at"]}
    assert (await api.get(f"{API}/results", params=between)).json()["total"] == 3
    assert (await api.get(f"{API}/results", params={"from_date": first["executed_at"]})).json()["results"] == [first]


async def test_one_result_is_read(api, history):
    result = (await api.get(f"{API}/results")).json()["results"][-1]
    assert (await api.get(f"{API}/results/{result['id']}")).json() == result
    covers(result, example("results_reply")["results"][0])


async def test_the_results_of_a_check_are_listed(api, history):
    reply = (await api.get(f"{API}/results/check/{history['id']}")).json()
    assert reply == (await api.get(f"{API}/results?check_id={history['id']}")).json()
    assert reply["total"] == 3


@pytest.mark.parametrize("period", ["day", "week", "month"])
async def test_results_are_summed_up(api, history, period):
    reply = (await api.get(f"{API}/results/summary?period={period}")).json()
    covers(reply, example("summary_reply"))
    assert (reply["period"], reply["total_checks"]) == (period, 3)
    assert {name: one["count"] for name, one in reply["statuses"].items()} == {"success": 1, "warning": 1, "error": 1}
    assert instant(reply["from_date"]) < instant(reply["to_date"])


# --- plugins


async def test_plugins_are_listed_as_the_document_shows_them(api):
    reply = (await api.get(f"{API}/plugins")).json()
    assert reply["count"] == len(reply["plugins"])
    wanted = example("plugins_reply")["plugins"][0]
    told = next(one for one in reply["plugins"] if one["name"] == wanted["name"])
    covers(told, wanted)
    assert told["required_config"].keys() == wanted["required_config"].keys()
    for name, text in wanted["optional_config"].items():
        assert told["optional_config"][name].endswith(text[text.index("(default:") :]), name


@pytest.mark.parametrize("name", ["website", "website_status"])
async def test_one_plugin_is_read_by_either_of_its_names(api, name):
    reply = await api.get(f"{API}/plugins/{name}")
    covers(reply.json(), example("plugins_reply")["plugins"][0])
    assert reply.json()["name"] == "website"


@pytest.mark.parametrize(
    ("alias", "name"),
    [("website_status", "website"), ("ssl_certificate", "ssl"), ("mail_server", "mail"), ("dns_record", "dns")],
)
async def test_the_programs_own_spellings_are_known(api, alias, name):
    assert (await api.get(f"{API}/plugins/{alias}")).json()["name"] == name


async def test_a_plugin_that_is_not_there_is_not_found(api):
    reply = await api.get(f"{API}/plugins/telepathy")
    assert (reply.status_code, reply.json()["error"]["details"]) == (404, {"resource": "plugin", "id": "telepathy"})


# --- batches


async def test_a_batch_answers_for_each_check_in_order(api, site, working):
    first, second = [await added(api, name=name, config=of(site), schedule=None) for name in ("one", "two")]
    asked = {**example("batch_request"), "checks": [second["id"], "check_id_3", first["id"]]}
    reply = await api.post(f"{API}/batch/run", json=asked)
    assert reply.status_code == 200, reply.text
    ok, unknown, also_ok = reply.json()["results"]
    assert [one["check_id"] for one in (ok, unknown, also_ok)] == asked["checks"]
    for one in (ok, also_ok):
        covers(one, example("batch_reply")["results"][0])
        assert "error" not in one
    assert unknown == {"check_id": "check_id_3", "error": "There is no check 'check_id_3'."}
    assert (await api.get(f"{API}/results")).json()["total"] == 2


async def test_a_batch_of_the_documents_ids_says_of_each_that_it_is_not_there(api):
    reply = await api.post(f"{API}/batch/run", json=example("batch_request"))
    assert reply.status_code == 200
    assert [one["check_id"] for one in reply.json()["results"]] == example("batch_request")["checks"]
    assert all(one["error"].startswith("There is no check") for one in reply.json()["results"])


def saying_where_example_is(query: Message) -> Message:
    """A name server that knows one name."""
    reply = make_response(query)
    reply.answer.append(from_text("example.com.", 60, "IN", "A", "192.0.2.7"))
    return reply


async def test_an_ad_hoc_batch_answers_for_each_config_in_order(api, site, working):
    asked = example("ad_hoc_batch")
    website, dns = asked["checks"]
    async with naming(saying_where_example_is) as port:
        dns["config"] |= {"nameserver": "127.0.0.1", "port": port}
        website["config"]["url"] = site.url
        reply = await api.post(f"{API}/batch/run-ad-hoc", json=asked)
    assert reply.status_code == 200, reply.text
    seen, resolved = reply.json()["results"]
    for one, wanted in ((seen, website), (resolved, dns)):
        covers(one["result"], example("batch_reply")["results"][0]["result"] | {"raw_data": {}})
        assert one["plugin_type"] == wanted["plugin_type"]
        assert wanted["config"].items() <= one["config"].items()
        assert one["result"]["status"] == "success", one
    assert resolved["result"]["raw_data"]["records"] == ["192.0.2.7"]
    assert (await api.get(f"{API}/results")).json()["total"] == 0


# --- the document about itself, and Redis


@pytest.mark.parametrize("path", ["docs", "redoc"])
async def test_the_explorers_are_where_the_document_says(client, path):
    reply = await client.get(f"{API}/{path}")
    assert (reply.status_code, reply.headers["Content-Type"].partition(";")[0]) == (200, "text/html")


@pytest.mark.parametrize(
    ("operation", "path", "name"),
    [
        ("AddCheck", "request", "check_draft"),
        ("PutCheck", "request", "check_patch"),
        ("RunAdHocCheck", "request", "ad_hoc_check"),
        ("RunBatch", "request", "batch_request"),
        ("RunAdHocBatch", "request", "ad_hoc_batch"),
        ("BrowseChecks", "reply", "checks_reply"),
        ("BrowseResults", "reply", "results_reply"),
        ("SummariseResults", "reply", "summary_reply"),
        ("BrowsePlugins", "reply", "plugins_reply"),
        ("RunBatch", "reply", "batch_reply"),
    ],
)
def test_our_openapi_document_has_the_documents_examples(application, operation, path, name):
    spec = msgspec.json.decode(document.of(application))
    (found,) = [one for item in spec["paths"].values() for one in item.values() if one["operationId"] == operation]
    part = found["requestBody"] if path == "request" else found["responses"]["200"]
    assert part["content"]["application/json"]["example"] == example(name)


async def test_health_reports_redis_and_the_cache(api):
    told = (await api.get(f"{API}/health")).json()
    assert (told["status"], told["redis_available"], told["cache_enabled"]) == ("ok", True, True)


async def test_without_redis_everything_is_read_from_the_database(database, free_port):
    app = create_app(replace(database, api_admin_token=ADMIN_TOKEN, redis_url=f"redis://127.0.0.1:{free_port}"))
    async with calling(app) as client:
        client.headers["Authorization"] = f"Bearer {ADMIN_TOKEN}"
        check = await added(client)
        for path in ("/checks", f"/checks/{check['id']}", "/results", "/results/summary", "/plugins"):
            assert (await client.get(API + path)).status_code == 200, path
        told = (await client.get(f"{API}/health")).json()
        assert (told["redis_available"], told["cache_enabled"]) == (False, False)
    cache.wake()


async def test_a_change_is_seen_at_once_in_spite_of_the_cache(api):
    check = await added(api)
    for name in ("one", "two"):
        await api.put(f"{API}/checks/{check['id']}", json={"name": name})
        assert (await api.get(f"{API}/checks")).json()["checks"][0]["name"] == name
        assert await queue.client().keys("wk:cache:*:checks:*")
    await api.patch(f"{API}/monitors/{check['id']}", json={"name": "three"})
    assert (await api.get(f"{API}/checks")).json()["checks"][0]["name"] == "three"


# --- what the document's own program gets wrong


async def test_the_summary_is_not_taken_for_a_results_id(api):
    assert (await api.get(f"{API}/results/summary")).status_code == 200


@pytest.mark.parametrize("asked", ["status=success&from_date=soon", "to_date=later&status=error"])
async def test_a_bad_date_beside_a_status_is_the_callers_mistake(api, asked):
    reply = await api.get(f"{API}/results?{asked}")
    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "VALIDATION_ERROR")


async def test_last_run_is_set(api, history):
    check = (await api.get(f"{API}/checks/{history['id']}")).json()
    assert check["last_run"] == (await api.get(f"{API}/results")).json()["results"][0]["executed_at"]


async def test_config_and_raw_data_are_objects_in_lists_too(api, history):
    assert isinstance((await api.get(f"{API}/checks")).json()["checks"][0]["config"], dict)
    assert all(isinstance(one["raw_data"], dict) for one in (await api.get(f"{API}/results")).json()["results"])


async def test_health_is_never_old(client):
    times = [(await client.get(f"{API}/health")).json()["timestamp"] for _ in range(2)]
    assert times[0] < times[1]


async def test_a_batch_that_runs_out_of_time_keeps_what_has_finished(api, site, working):
    async with standing_in() as slow:
        slow.hangs = True
        asked = [{"plugin_type": "website", "config": of(one)} for one in (slow, site, slow)]
        body = {"checks": asked, "max_workers": 10_000, "timeout": 8}
        reply = await api.post(f"{API}/batch/run-ad-hoc", json=body)
    first, second, third = reply.json()["results"]
    assert second["result"]["status"] == "success"
    assert (first["error"], third["error"]) == ("timed out", "timed out")


async def test_a_batch_has_at_most_a_hundred_checks(api):
    reply = await api.post(f"{API}/batch/run", json={"checks": ["x"] * 101})
    assert reply.status_code == 422
    assert [one["field"] for one in reply.json()["error"]["details"]["fields"]] == ["checks"]


async def test_a_batch_with_no_workers_at_all_has_one(api):
    reply = await api.post(f"{API}/batch/run", json={"checks": ["x"], "max_workers": -3})
    assert reply.json()["results"][0]["error"].startswith("There is no check")


async def test_a_wrong_config_in_a_batch_spoils_only_its_own_item(api):
    asked = [{"plugin_type": "website", "config": {}}, {"plugin_type": "telepathy", "config": {"password": "sesame"}}]
    reply = await api.post(f"{API}/batch/run-ad-hoc", json={"checks": asked})
    assert reply.status_code == 200
    first, second = reply.json()["results"]
    assert first["error"].startswith("config.url is required")
    assert second["error"].startswith("plugin_type must be one of")
    assert "sesame" not in reply.text


async def test_secrets_of_a_config_are_returned_to_nobody(api):
    config = {**example("check_draft")["config"], "auth_username": "me", "auth_password": "sesame"}
    check = await added(api, config=config)
    for path in ("/checks", f"/checks/{check['id']}", f"/monitors/{check['id']}", "/monitors"):
        text = (await api.get(API + path)).text
        assert "sesame" not in text
        assert "********" in text


async def test_ad_hoc_checks_are_for_operators_and_go_no_further_than_checks_may(api, client, working):
    asked = {"plugin_type": "http", "config": {"url": "http://169.254.169.254/latest/meta-data/"}}
    result = (await api.post(f"{API}/checks/run", json=asked)).json()
    assert (result["status"], result["raw_data"]) == ("warning", {})
    assert (await client.post(f"{API}/checks/run", json=asked, headers={"Authorization": ""})).status_code == 401


async def test_times_say_their_zone(api, history):
    check = (await api.get(f"{API}/checks/{history['id']}")).json()
    for name in ("created_at", "updated_at", "last_run"):
        assert abs((datetime.now(UTC) - instant(check[name])).total_seconds()) < WITHIN_S
