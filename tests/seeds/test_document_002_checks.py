"""Document 002, example by example: checks, and runs of one; and where its own program goes wrong."""

from datetime import UTC, datetime

import pytest

from tests.seeds.example import API, WITHIN_S, added, covers, example, instant, of

pytestmark = [pytest.mark.timeout(120)]


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
    response = (await api.get(f"{API}/checks?page=1&per_page=20&enabled=true&plugin_type=website")).json()
    covers(
        {**response, "checks": [{**response["checks"][0], "last_run": check["created_at"]}]}, example("checks_reply")
    )
    assert response == {"checks": [check], "page": 1, "per_page": 20, "total": 1, "pages": 1}
    assert (await api.get(f"{API}/checks?enabled=false")).json()["checks"] == []


async def test_a_check_is_returned_by_its_id(api):
    check = await added(api)
    assert (await api.get(f"{API}/checks/{check['id']}")).json() == check


async def test_a_check_is_updated_as_the_document_does(api):
    check = await added(api)
    changed = (await api.put(f"{API}/checks/{check['id']}", json=example("check_patch"))).json()
    wanted = example("check_patch")
    assert changed["name"] == wanted["name"]
    assert wanted["config"].items() <= changed["config"].items()
    assert (changed["enabled"], changed["schedule"]) == (check["enabled"], check["schedule"])


async def test_deleting_a_check_returns_no_content(api):
    check = await added(api)
    response = await api.delete(f"{API}/checks/{check['id']}")
    assert (response.status_code, response.content) == (204, b"")
    assert (await api.get(f"{API}/checks")).json()["total"] == 0


async def test_a_check_is_run_at_once_and_its_result_stored(api, site, working):
    check = await added(api, config=of(site), schedule=None)
    response = await api.post(f"{API}/checks/{check['id']}/run")
    assert response.status_code == 200, response.text
    result = response.json()
    covers(result, example("results_reply")["results"][0])
    assert (result["check_id"], result["status"]) == (check["id"], "success")
    assert 0 < result["response_time"] < WITHIN_S
    assert (await api.get(f"{API}/results/{result['id']}")).json() == result
    listed = (await api.get(f"{API}/results?check_id={check['id']}")).json()
    assert listed["results"] == [result]
    assert (await api.get(f"{API}/checks/{check['id']}")).json()["last_run"] == result["executed_at"]


async def test_an_ad_hoc_check_runs_and_is_kept_nowhere(api, site, working):
    response = await api.post(f"{API}/checks/run", json={**example("ad_hoc_check"), "config": of(site)})
    assert response.status_code == 200, response.text
    result = response.json()
    covers({**result, "id": "x", "check_id": "x"}, example("results_reply")["results"][0])
    assert (result["id"], result["check_id"], result["status"]) == (None, None, "success")
    assert (await api.get(f"{API}/results")).json()["total"] == 0
    assert (await api.get(f"{API}/checks")).json()["total"] == 0


async def test_ad_hoc_checks_are_for_operators_and_go_no_further_than_checks_may(api, client, working):
    request = {"plugin_type": "http", "config": {"url": "http://169.254.169.254/latest/meta-data/"}}
    result = (await api.post(f"{API}/checks/run", json=request)).json()
    assert (result["status"], result["raw_data"]) == ("warning", {})
    (entry,) = (await api.get(f"{API}/audit?action=check.run")).json()["entries"]
    assert entry["change"]["destinations"] == ["http 169.254.169.254:80"]
    assert (await client.post(f"{API}/checks/run", json=request, headers={"Authorization": ""})).status_code == 401


async def test_last_run_is_set(api, history):
    check = (await api.get(f"{API}/checks/{history['id']}")).json()
    assert check["last_run"] == (await api.get(f"{API}/results")).json()["results"][0]["executed_at"]


async def test_secrets_of_a_config_are_never_returned(api):
    config = {**example("check_draft")["config"], "auth_username": "me", "auth_password": "sesame"}
    check = await added(api, config=config)
    for path in ("/checks", f"/checks/{check['id']}", f"/monitors/{check['id']}", "/monitors"):
        text = (await api.get(API + path)).text
        assert "sesame" not in text
        assert "********" in text


async def test_times_have_their_zone(api, history):
    check = (await api.get(f"{API}/checks/{history['id']}")).json()
    for name in ("created_at", "updated_at", "last_run"):
        assert abs((datetime.now(UTC) - instant(check[name])).total_seconds()) < WITHIN_S
