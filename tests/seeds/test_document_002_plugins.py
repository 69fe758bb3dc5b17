"""Document 002, example by example: plugins."""

import pytest

from tests.seeds.example import API, covers, example


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
