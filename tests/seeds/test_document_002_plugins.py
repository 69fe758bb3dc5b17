"""Document 002, example by example: plugins."""

import pytest

from tests.seeds.example import API, covers, example


async def test_plugins_are_listed_as_the_document_shows_them(api):
    response = (await api.get(f"{API}/plugins")).json()
    assert response["count"] == len(response["plugins"])
    wanted = example("plugins_reply")["plugins"][0]
    plugin = next(one for one in response["plugins"] if one["name"] == wanted["name"])
    covers(plugin, wanted)
    assert plugin["required_config"].keys() == wanted["required_config"].keys()
    for name, text in wanted["optional_config"].items():
        assert plugin["optional_config"][name].endswith(text[text.index("(default:") :]), name


@pytest.mark.parametrize("name", ["website", "website_status"])
async def test_a_plugin_is_returned_by_either_of_its_names(api, name):
    response = await api.get(f"{API}/plugins/{name}")
    covers(response.json(), example("plugins_reply")["plugins"][0])
    assert response.json()["name"] == "website"


@pytest.mark.parametrize(
    ("alias", "name"),
    [("website_status", "website"), ("ssl_certificate", "ssl"), ("mail_server", "mail"), ("dns_record", "dns")],
)
async def test_the_programs_own_spellings_are_known(api, alias, name):
    assert (await api.get(f"{API}/plugins/{alias}")).json()["name"] == name


async def test_a_plugin_that_is_not_there_is_not_found(api):
    response = await api.get(f"{API}/plugins/telepathy")
    assert (response.status_code, response.json()["error"]["details"]) == (
        404,
        {"resource": "plugin", "id": "telepathy"},
    )
