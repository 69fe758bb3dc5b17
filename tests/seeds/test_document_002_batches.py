"""Document 002, example by example: batches; and where its own program goes wrong."""

import pytest
from dns.message import Message, make_response
from dns.rrset import from_text

from tests.actors.probes.nameserver import naming
from tests.seeds.example import API, added, covers, example, of
from tests.seeds.site import standing_in

pytestmark = [pytest.mark.timeout(120)]


async def test_a_batch_answers_for_each_check_in_order(api, site, working):
    first, second = [await added(api, name=name, config=of(site), schedule=None) for name in ("one", "two")]
    request = {**example("batch_request"), "checks": [second["id"], "check_id_3", first["id"]]}
    response = await api.post(f"{API}/batch/run", json=request)
    assert response.status_code == 200, response.text
    ok, unknown, also_ok = response.json()["results"]
    assert [one["check_id"] for one in (ok, unknown, also_ok)] == request["checks"]
    for one in (ok, also_ok):
        covers(one, example("batch_reply")["results"][0])
        assert "error" not in one
    assert unknown == {"check_id": "check_id_3", "error": "There is no check 'check_id_3'."}
    assert (await api.get(f"{API}/results")).json()["total"] == 2


async def test_a_batch_of_the_documents_ids_reports_each_as_missing(api):
    response = await api.post(f"{API}/batch/run", json=example("batch_request"))
    assert response.status_code == 200
    assert [one["check_id"] for one in response.json()["results"]] == example("batch_request")["checks"]
    assert all(one["error"].startswith("There is no check") for one in response.json()["results"])


def saying_where_example_is(query: Message) -> Message:
    """A name server that knows one name."""
    response = make_response(query)
    response.answer.append(from_text("example.com.", 60, "IN", "A", "192.0.2.7"))
    return response


async def test_an_ad_hoc_batch_answers_for_each_config_in_order(api, site, working):
    request = example("ad_hoc_batch")
    website, dns = request["checks"]
    async with naming(saying_where_example_is) as port:
        dns["config"] |= {"nameserver": "127.0.0.1", "port": port}
        website["config"]["url"] = site.url
        response = await api.post(f"{API}/batch/run-ad-hoc", json=request)
    assert response.status_code == 200, response.text
    result, resolved = response.json()["results"]
    for one, wanted in ((result, website), (resolved, dns)):
        covers(one["result"], example("batch_reply")["results"][0]["result"] | {"raw_data": {}})
        assert one["plugin_type"] == wanted["plugin_type"]
        assert wanted["config"].items() <= one["config"].items()
        assert one["result"]["status"] == "success", one
    assert resolved["result"]["raw_data"]["records"] == ["192.0.2.7"]
    assert (await api.get(f"{API}/results")).json()["total"] == 0


async def test_a_batch_that_runs_out_of_time_keeps_what_has_finished(api, site, working):
    async with standing_in() as slow:
        slow.hangs = True
        request = [{"plugin_type": "website", "config": of(one)} for one in (slow, site, slow)]
        await api.post(f"{API}/batch/run-ad-hoc", json={"checks": request[1:2], "timeout": 30})  # the worker is there
        body = {"checks": request, "max_workers": 10_000, "timeout": 4}
        response = await api.post(f"{API}/batch/run-ad-hoc", json=body)
    first, second, third = response.json()["results"]
    assert second["result"]["status"] == "success"
    assert (first["error"], third["error"]) == ("timed out", "timed out")


async def test_a_batch_has_at_most_a_hundred_checks(api):
    response = await api.post(f"{API}/batch/run", json={"checks": ["x"] * 101})
    assert response.status_code == 422
    assert [one["field"] for one in response.json()["error"]["details"]["fields"]] == ["checks"]


async def test_a_batch_with_no_workers_at_all_has_one(api):
    response = await api.post(f"{API}/batch/run", json={"checks": ["x"], "max_workers": -3})
    assert response.json()["results"][0]["error"].startswith("There is no check")


async def test_a_wrong_config_in_a_batch_spoils_only_its_own_item(api):
    request = [{"plugin_type": "website", "config": {}}, {"plugin_type": "telepathy", "config": {"password": "sesame"}}]
    response = await api.post(f"{API}/batch/run-ad-hoc", json={"checks": request})
    assert response.status_code == 200
    first, second = response.json()["results"]
    assert first["error"].startswith("config.url is required")
    assert second["error"].startswith("plugin_type must be one of")
    assert "sesame" not in response.text
