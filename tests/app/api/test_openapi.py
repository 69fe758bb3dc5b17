"""The document is exact: valid, with a discriminator on every choice and every refusal declared."""

import re
from typing import Any

import msgspec
import pytest
from openapi_spec_validator import validate

from app.api.openapi import document, parameters
from schema.channels import PROVIDERS
from schema.targets import TARGETS
from tests.app.api.running_app import ADA, Client, Headers, built

pytestmark = pytest.mark.either_engine

METHODS = {"get", "post", "put", "patch", "delete"}
VERB_AND_NOUN = re.compile(
    "(Accept|Acknowledge|BulkUpdate|Clone|Create|Delete|Disable|Export|Finish|Get|List|LoginWith|Pause|Preview|Push"
    "|Refresh|Resend|Reset|Resolve|Resume|Revoke|Rotate|Run|Set|Start|Test|Update|Verify)([A-Z][A-Za-z]+)"
)


@pytest.fixture(scope="module")
def spec() -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(document.build_document(built("")))
    return found


def operations(spec: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(path, name, one) for path, item in spec["paths"].items() for name, one in item.items() if name in METHODS]


def resolved(spec: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = (
        spec["components"]["schemas"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    )
    return found


def test_the_document_is_valid(spec: dict[str, Any]) -> None:
    validate(spec)


def test_every_operation_has_an_id_a_tag_a_description_and_its_own_name(spec: dict[str, Any]) -> None:
    found = operations(spec)
    assert all(one.get("operationId") and one.get("tags") and one.get("description") for _, _, one in found)
    assert len({one["operationId"] for _, _, one in found}) == len(found)


def test_every_subject_is_declared_with_a_description(spec: dict[str, Any]) -> None:
    declared = {one["name"]: one["description"] for one in spec["tags"]}
    assert set(declared) == {tag for _, _, one in operations(spec) for tag in one["tags"]}
    assert all(text.endswith(".") for text in declared.values())


def test_an_operation_is_called_by_what_it_does(spec: dict[str, Any]) -> None:
    names = {one["operationId"] for _, _, one in operations(spec)}
    assert {"ListMonitors", "CreateMonitor", "GetMonitor", "UpdateMonitor", "DeleteMonitor"} <= names
    assert {name for name in names if not VERB_AND_NOUN.fullmatch(name)} == {"Login", "Logout", "Register"}


def test_a_put_that_merges_is_called_after_its_patch(spec: dict[str, Any]) -> None:
    for path, item in spec["paths"].items():
        if {"put", "patch"} <= set(item):
            assert item["put"]["operationId"] == f"{item['patch']['operationId']}ByPut", path


def test_the_document_names_its_makers_and_further_pages(spec: dict[str, Any]) -> None:
    assert spec["info"]["license"]["identifier"] == "MIT"
    assert spec["info"]["contact"]["name"]
    assert spec["externalDocs"]["url"] == "api/v1/redoc"


def test_no_two_ways_to_sign_in_go_into_the_same_place(spec: dict[str, Any]) -> None:
    schemes = spec["components"]["securitySchemes"]
    assert [next(iter(one)) for one in spec["security"]] == ["bearer", "apiKey", "session"] == list(schemes)
    places = [(one.get("in", "header"), one.get("name", "Authorization")) for one in schemes.values()]
    assert len(set(places)) == len(places)


async def test_a_client_that_sets_its_one_token_everywhere_is_let_in(client: Client, admin: Headers) -> None:
    token = admin["Authorization"].removeprefix("Bearer ")
    everywhere = {**admin, "X-API-Key": token, "Cookie": f"session_id={token}"}
    assert (await client.post("/api/v1/tags", json={"name": "one"}, headers=everywhere)).status_code == 201


def test_every_operation_declares_its_refusals_in_the_one_shape(spec: dict[str, Any]) -> None:
    shapes = spec["components"]["responses"]
    for path, method, one in operations(spec):
        refusals = {status: refusal for status, refusal in one["responses"].items() if int(status) >= 400}
        assert {"422", "500", "503"} <= set(refusals), (path, method)
        for refusal in refusals.values():
            shape = shapes[refusal["$ref"].rpartition("/")[2]]
            assert shape["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/ErrorReply"}


def test_every_parameter_and_every_reply_has_a_description(spec: dict[str, Any]) -> None:
    for path, method, one in operations(spec):
        assert all(parameter["description"] for parameter in one.get("parameters", [])), (path, method)
        descriptions = {resolved_reply(spec, response)["description"] for response in one["responses"].values()}
        assert all(text.endswith(".") and "document follows" not in text for text in descriptions), (path, method)


def resolved_reply(spec: dict[str, Any], response: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = (
        spec["components"]["responses"][response["$ref"].rpartition("/")[2]] if "$ref" in response else response
    )
    return found


def test_parameter_description_tables_have_no_unused_rows(spec: dict[str, Any]) -> None:
    used = {parameter["name"] for _, _, one in operations(spec) for parameter in one.get("parameters", [])}
    assert set(parameters.DESCRIPTIONS) <= used


def test_a_post_that_can_be_sent_twice_takes_a_key(spec: dict[str, Any]) -> None:
    keyed = {
        one["operationId"]
        for _, _, one in operations(spec)
        if "Idempotency-Key" in {parameter["name"] for parameter in one.get("parameters", [])}
    }
    assert {"CreateMonitor", "RunMonitor", "CreateApiKey"} <= keyed
    assert not {"UpdateMonitor", "Login", "PushHeartbeatWithBody", "ListMonitors"} & keyed


def test_a_push_by_head_is_declared(spec: dict[str, Any]) -> None:
    item = spec["paths"]["/api/v1/push/{token}"]
    assert item["head"]["parameters"] == item["get"]["parameters"]
    assert not any("content" in resolved_reply(spec, one) for one in item["head"]["responses"].values())


def test_an_id_is_a_uuid_unless_it_is_external_or_opaque(spec: dict[str, Any]) -> None:
    schemas = spec["components"]["schemas"]
    ids = {name: one["properties"]["id"] for name, one in schemas.items() if "id" in one.get("properties", {})}
    users = {
        "User",
        "CurrentUser",
        "UserDetail",
        "UpdatedUser",
    }  # the installation's own token is no user, and called api-admin
    opaque = {"Heartbeat", "Result", "Session", "AttestedCredential", "SignedCredential"}
    echoed = {"BulkMonitorResult"}
    assert {name for name, one in ids.items() if one.get("format") != "uuid"} == users | opaque | echoed


@pytest.mark.parametrize(("name", "types"), [("Monitor", TARGETS), ("Channel", PROVIDERS)])
def test_a_type_is_one_of_those_there_are(spec: dict[str, Any], name: str, types: dict[str, Any]) -> None:
    for schema in (name, f"{name}Patch"):
        assert spec["components"]["schemas"][schema]["properties"]["type"]["enum"] == list(types)


def test_a_list_is_one_of_two_under_one_name(spec: dict[str, Any]) -> None:
    shape = spec["paths"]["/api/v1/monitors"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert shape == {"$ref": "#/components/schemas/MonitorList"}


def test_every_operation_documents_who_may_call_it(spec: dict[str, Any]) -> None:
    for path, method, one in operations(spec):
        assert one.get("security") == [] or one["x-role"] in {"viewer", "operator", "admin"}, (path, method)
        assert one.get("security") == [] or {"401", "403"} <= set(one["responses"]), (path, method)


def test_every_choice_of_tagged_objects_has_a_discriminator(spec: dict[str, Any]) -> None:
    bare = [node for node in _choices(spec) if "discriminator" not in node and _is_tagged(spec, node)]
    assert not bare


@pytest.mark.parametrize(
    ("path", "types"), [("/api/v1/monitors", TARGETS), ("/api/v1/notification-channels", PROVIDERS)]
)
def test_a_draft_is_one_of_its_types_chosen_by_type(spec: dict[str, Any], path: str, types: dict[str, Any]) -> None:
    schema = resolved(spec, spec["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"])
    assert schema["discriminator"]["propertyName"] == "type"
    assert set(schema["discriminator"]["mapping"]) == set(types)


def test_request_schemas_forbid_additional_properties(spec: dict[str, Any]) -> None:
    schemas = spec["components"]["schemas"]
    assert schemas["Registration"]["additionalProperties"] is False
    assert schemas["HttpMonitorDraft"]["additionalProperties"] is False
    assert schemas["HttpConfigDraft"]["additionalProperties"] is False


def test_responses_require_all_fields_and_requests_those_without_a_default(spec: dict[str, Any]) -> None:
    schemas = spec["components"]["schemas"]
    assert set(schemas["HttpConfig"]["required"]) == set(schemas["HttpConfig"]["properties"])
    assert schemas["HttpConfigDraft"]["required"] == ["url"]
    assert schemas["HttpBasicAuthDraft"]["required"] == ["method", "username"]  # the discriminator of a union
    assert "default" not in schemas["HttpConfig"]["properties"]["max_redirects"]
    assert schemas["HttpConfigDraft"]["properties"]["max_redirects"]["default"] == 10


def test_a_reply_without_a_body_documents_none(spec: dict[str, Any]) -> None:
    assert "content" not in spec["paths"]["/api/v1/auth/logout"]["post"]["responses"]["204"]


@pytest.mark.parametrize(
    ("path", "media"), [("login", "application/json"), ("token", "application/x-www-form-urlencoded")]
)
def test_signing_in_is_declared_with_one_media_type_each(spec: dict[str, Any], path: str, media: str) -> None:
    content = spec["paths"][f"/api/v1/auth/{path}"]["post"]["requestBody"]["content"]
    assert set(content) == {media}
    assert {"username", "password", "token"} <= set(resolved(spec, content[media]["schema"])["properties"])


@pytest.mark.parametrize("path", ["login", "token"])
@pytest.mark.parametrize("how", ["json", "data"])
async def test_both_ways_to_sign_in_read_json_and_forms(client: Client, admin: Headers, path: str, how: str) -> None:
    sent: dict[str, Any] = {how: {"username": ADA["email"], "password": ADA["password"]}}
    assert (await client.post(f"/api/v1/auth/{path}", **sent)).status_code == 200


async def test_every_field_of_the_form_may_be_sent(client: Client, admin: Headers, spec: dict[str, Any]) -> None:
    fields = dict.fromkeys(spec["components"]["schemas"]["PasswordGrant"]["properties"], "x")
    sent = {**fields, "username": ADA["email"], "password": ADA["password"], "token": ""}
    assert (await client.post("/api/v1/auth/token", data=sent)).status_code == 200


@pytest.mark.parametrize("path", ["/api/v1/docs", "/swagger/index.html", "/api/v1/redoc"])
async def test_the_explorers_load_nothing_from_elsewhere(client: Client, path: str) -> None:
    page = await client.get(path)
    assert page.headers["Content-Type"].startswith("text/html")
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    assert "http:" not in page.text.replace("https:", "http:")
    for asset in [part.partition('"')[0] for part in page.text.split('src="')[1:]]:
        script = await client.get(asset)
        assert (script.status_code, "cdn.redoc.ly" in script.text) == (200, False), asset


async def test_scripts_and_styles_of_the_explorers_come_from_files_of_ours(client: Client) -> None:
    policies = {
        path: (await client.get(path)).headers["Content-Security-Policy"]
        for path in ("/api/v1/docs", "/swagger/index.html", "/api/v1/redoc")
    }
    assert not any("unsafe-eval" in one or "https:" in one or "*" in one for one in policies.values())
    assert all("script-src 'self';" in one and "frame-ancestors 'none'" in one for one in policies.values())
    assert [path for path, one in policies.items() if "unsafe-inline" in one] == ["/api/v1/redoc"]


async def test_the_document_is_served_to_anybody(client: Client) -> None:
    response = await client.get("/api/v1/openapi.json")
    assert response.json()["openapi"].startswith("3.1")


def _is_tagged(spec: dict[str, Any], choice: dict[str, Any]) -> bool:
    return all("type" in resolved(spec, one)["properties"] for one in choice["oneOf"])


def _choices(node: Any) -> list[dict[str, Any]]:
    if isinstance(node, list):
        return [one for part in node for one in _choices(part)]
    if not isinstance(node, dict):
        return []
    members = node.get("oneOf", [])
    own = [node] if len(members) > 1 and all("$ref" in one for one in members) else []
    return own + [one for part in node.values() for one in _choices(part)]


def test_a_whole_number_is_one_of_the_choices_of_a_provider_and_not_two(spec: dict[str, Any]) -> None:
    field = spec["components"]["schemas"]["ProviderField"]["properties"]
    assert field["choices"]["items"]["oneOf"] == [{"type": one} for one in ("string", "number", "boolean")]


def test_an_answer_in_two_forms_is_declared_in_both(spec: dict[str, Any]) -> None:
    content = spec["paths"]["/api/v1/audit/export"]["get"]["responses"]["200"]["content"]
    assert set(content) == {"application/x-ndjson", "text/csv"}
