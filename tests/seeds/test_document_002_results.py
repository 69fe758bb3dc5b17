"""Document 002, example by example: results and their summary; and where its own program goes wrong."""

import pytest

from tests.seeds.example import API, covers, example, instant


async def test_results_are_listed_as_the_document_shows_them(api, history):
    response = (await api.get(f"{API}/results?page=1&per_page=20&check_id={history['id']}&status=success")).json()
    covers(response, example("results_reply"))
    assert (response["page"], response["per_page"], response["total"], response["pages"]) == (1, 20, 1, 1)
    instant(response["results"][0]["executed_at"])


@pytest.mark.parametrize("status", ["success", "warning", "error"])
async def test_results_are_filtered_by_status(api, history, status):
    assert [one["status"] for one in (await api.get(f"{API}/results?status={status}")).json()["results"]] == [status]


async def test_results_are_filtered_by_date(api, history):
    first, *_, last = (await api.get(f"{API}/results")).json()["results"]
    between = {"from_date": last["executed_at"], "to_date": first["executed_at"]}
    assert (await api.get(f"{API}/results", params=between)).json()["total"] == 3
    assert (await api.get(f"{API}/results", params={"from_date": first["executed_at"]})).json()["results"] == [first]


async def test_a_result_is_returned_by_its_id(api, history):
    result = (await api.get(f"{API}/results")).json()["results"][-1]
    assert (await api.get(f"{API}/results/{result['id']}")).json() == result
    covers(result, example("results_reply")["results"][0])


async def test_the_results_of_a_check_are_listed(api, history):
    response = (await api.get(f"{API}/results/check/{history['id']}")).json()
    assert response == (await api.get(f"{API}/results?check_id={history['id']}")).json()
    assert response["total"] == 3


@pytest.mark.parametrize("period", ["day", "week", "month"])
async def test_results_are_summed_up(api, history, period):
    response = (await api.get(f"{API}/results/summary?period={period}")).json()
    covers(response, example("summary_reply"))
    assert (response["period"], response["total_checks"]) == (period, 3)
    assert {name: one["count"] for name, one in response["statuses"].items()} == {
        "success": 1,
        "warning": 1,
        "error": 1,
    }
    assert instant(response["from_date"]) < instant(response["to_date"])


async def test_the_summary_is_not_taken_for_a_results_id(api):
    assert (await api.get(f"{API}/results/summary")).status_code == 200


@pytest.mark.parametrize("query", ["status=success&from_date=soon", "to_date=later&status=error"])
async def test_a_bad_date_beside_a_status_is_the_callers_mistake(api, query):
    response = await api.get(f"{API}/results?{query}")
    assert (response.status_code, response.json()["error"]["code"]) == (422, "VALIDATION_ERROR")


async def test_config_and_raw_data_are_objects_in_lists_too(api, history):
    assert isinstance((await api.get(f"{API}/checks")).json()["checks"][0]["config"], dict)
    assert all(isinstance(one["raw_data"], dict) for one in (await api.get(f"{API}/results")).json()["results"])
