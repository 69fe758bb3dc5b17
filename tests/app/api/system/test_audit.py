"""Every change leaves one entry before it is answered, and so does every one that was refused."""

from collections import Counter

import msgspec
import pytest
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from structlog.testing import capture_logs

from app import db
from app.api.http import audit_actions, audit_trail
from app.api.http.audit_actions import QUIET
from app.api.openapi import examples
from app.api.system import audit
from app.security.auth import policy
from app.security.secrets import signed_tokens
from app.store.audit import chain, log
from app.store.audit.log import AuditQuery
from schema.audit import AuditEntry
from schema.status import Role
from tests import make
from tests.app.api.running_app import ADA, ADMIN_TOKEN, SETUP, Client, Headers, bearer
from tests.app.api.test_policy import routes_of

ADMIN_HEADERS = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"
PROXY = {"name": "office", "protocol": "socks5h", "host": "proxy.lan", "port": 1080, "password": "sesame"}
SAFE = {"GET", "HEAD", "WS"}


@pytest.fixture(autouse=True)
def fresh() -> None:
    """What other tests were refused is no reason to leave out ours."""
    audit_trail.clear_throttle()


async def by_requests() -> list[AuditEntry]:
    """The entries that requests left, newest first; those that count failed proofs come when they like."""
    return [one for one in (await log.list_page(AuditQuery(limit=1_000)))[0] if "way" not in one.change]


async def newest() -> AuditEntry:
    return (await by_requests())[0]


async def number() -> int:
    return len(await by_requests())


def unsafe(application: Litestar) -> list[tuple[str, str, HTTPRouteHandler]]:
    found = routes_of(application)
    return [
        (path, method, one)
        for path, method, one in found
        if method not in SAFE and isinstance(one, HTTPRouteHandler) and not one.opt.get(QUIET)
    ]


def filled(path: str) -> str:
    return "/".join(UNKNOWN_ID if part.startswith("{") else part for part in path.split("/"))


async def test_every_unsafe_route_leaves_exactly_one_entry(client: Client, application: Litestar) -> None:
    for path, method, handler in unsafe(application):
        audit_trail.clear_throttle()
        before = await number()
        response = await client.request(method, filled(path), json={}, headers=ADMIN_HEADERS)
        assert await number() == before + 1, (method, path, response.status_code)
        entry = await newest()
        operation = audit_actions.operation_id_of(handler, method, path)
        assert (entry.action, entry.request_id) == (
            audit_actions.action_of(operation),
            response.headers["X-Request-ID"],
        )
        assert (entry.outcome == "done") is (response.status_code < 400), (method, path)


async def test_a_head_request_leaves_no_entry(client: Client) -> None:
    before = await number()
    for path in ("/api/v1/version", "/api/v1/monitors", "/ack/nothing"):
        await client.head(path, headers=ADMIN_HEADERS)
    assert await number() == before


async def test_every_unsafe_route_that_refuses_somebody_records_it(client, application, viewer) -> None:
    for path, method, handler in unsafe(application):
        needs = policy.required_role(handler)
        if needs is None or needs.min_role in {None, Role.VIEWER}:
            continue
        before = await number()
        assert (await client.request(method, filled(path), json={}, headers=viewer)).status_code == 403
        entry = await newest()
        assert (await number(), entry.outcome, entry.code, entry.role) == (before + 1, "refused", "FORBIDDEN", "viewer")
        audit_trail.clear_throttle()
        response = await client.request(method, filled(path), json={}, headers={"Authorization": "Bearer stolen"})
        assert (response.status_code, (await newest()).code) == (401, "UNAUTHORIZED")


def test_actions_name_a_resource_and_what_happened_to_it(application: Litestar) -> None:
    for path, method, handler in unsafe(application):
        operation = audit_actions.operation_id_of(handler, method, path)
        assert audit_actions.action_of(operation).replace("_", "").replace(".", "", 1).isalpha(), operation


async def test_an_entry_names_who_did_what_to_which_thing(client: Client) -> None:
    made = (await client.post("/api/v1/proxies", json=PROXY, headers=ADMIN_HEADERS)).json()
    entry = await newest()
    recorded = (entry.actor, entry.role, entry.via, entry.action, entry.resource, entry.resource_id, entry.outcome)
    assert recorded == ("api-admin", "admin", "token", "proxy.created", "proxy", made["id"], "done")
    changes = {"name": "office", "protocol": "socks5h", "host": "********", "port": 1080, "password": "********"}
    assert (entry.ip, entry.change) == ("127.0.0.1", changes)
    await client.patch(f"/api/v1/proxies/{made['id']}", json={"port": 8080}, headers=ADMIN_HEADERS)
    entry = await newest()
    assert (entry.action, entry.resource_id, entry.change) == ("proxy.updated", made["id"], {"port": 8080})


async def test_signing_in_and_out_is_recorded_and_no_password_is(client: Client) -> None:
    await client.post("/api/v1/auth/register", json={**ADA, **SETUP})
    await client.post("/api/v1/auth/login", json={**ADA, "password": "not the password"})
    signed_in = (await client.post("/api/v1/auth/login", json=ADA)).json()
    client.cookies.clear()
    await client.post("/api/v1/auth/logout", headers=bearer(signed_in))
    entries = await by_requests()
    assert [(one.action, one.outcome.value, one.actor) for one in reversed(entries)] == [
        ("user.registered", "done", ""),
        ("session.started", "refused", ""),
        ("session.started", "done", "ada"),
        ("session.ended", "done", "ada"),
    ]
    assert not any(word in str(entries) for word in (ADA["password"], "not the password"))


async def test_a_failed_second_step_is_a_failed_sign_in_of_its_account(client: Client) -> None:
    user = (await client.post("/api/v1/auth/register", json={**ADA, **SETUP})).json()
    mfa_token = signed_tokens.issue_token(signed_tokens.MFA_TOKEN_KIND, 60, sub=user["id"], mark="of another password")
    for mfa_token_sent, bearer_id in ((mfa_token, user["id"]), ("made up", "")):
        response = await client.post("/api/v1/auth/2fa/login", json={"mfa_token": mfa_token_sent, "token": "000000"})
        entry = await newest()
        assert (response.status_code, entry.request_id) == (401, response.headers["X-Request-ID"])
        assert (entry.action, entry.outcome, entry.resource_id) == ("session.started", "refused", bearer_id)


async def test_coming_back_from_a_provider_is_recorded(client: Client) -> None:
    response = await client.get("/api/v1/auth/oidc/callback?code=x&state=y")
    entry = await newest()
    assert (entry.action, entry.outcome, entry.code) == ("session.started", "refused", "NOT_FOUND")
    assert (entry.request_id, await number()) == (response.headers["X-Request-ID"], 1)


async def test_made_up_credentials_cannot_fill_the_log(client: Client) -> None:
    for number_ in range(5):
        for headers in ({"Authorization": f"Bearer {number_}"}, {"X-API-Key": f"{number_}"}):
            assert (await client.post("/api/v1/proxies", json=PROXY, headers=headers)).status_code == 401
    assert await number() == 1
    for _ in range(3):
        await client.post("/api/v1/auth/login", json={**ADA, "password": "not the password"})
        await client.post("/api/v1/auth/refresh", json={"refresh_token": "made up"})
        await client.post("/api/v1/auth/logout")
    entries = await by_requests()
    assert Counter(one.action for one in entries) == {"proxy.created": 1, "session.started": 1, "session.refreshed": 1}


async def test_an_entry_names_the_key(client: Client, admin: Headers) -> None:
    made = (await client.post("/api/v1/api-keys", json={"name": "ci"}, headers=admin)).json()
    assert (await newest()).key_id == ""
    await client.post("/api/v1/proxies", json=PROXY, headers={"X-API-Key": made["key"]})
    entry = await newest()
    assert (entry.via, entry.key_id, entry.outcome) == ("api_key", made["id"], "refused")


async def test_input_of_a_failed_sign_in_is_not_logged(client: Client) -> None:
    for field in ("username", "email"):
        audit_trail.clear_throttle()
        await client.post("/api/v1/auth/login", json={field: "hunter2", "password": "ada"})
        assert (await newest()).change == {field: "********", "password": "********"}


async def test_reads_pushes_and_anonymous_requests_leave_no_entry(client: Client) -> None:
    await client.get("/api/v1/monitors", headers=ADMIN_HEADERS)
    await client.get("/api/v1/monitors")
    await client.post("/api/v1/push/nothing")
    await client.post("/api/v1/monitors", json={})
    await client.post("/api/v1/auth/login", content=b"[")
    await client.post("/api/v1/nowhere", headers=ADMIN_HEADERS)
    assert await number() == 0


async def test_without_the_log_the_answer_goes_out_and_the_entry_is_a_log_line(client: Client) -> None:
    await db.rows("ALTER TABLE audit_chain RENAME TO elsewhere")
    with capture_logs() as lines:
        response = await client.post("/api/v1/proxies", json=PROXY, headers=ADMIN_HEADERS)
    await db.rows("ALTER TABLE elsewhere RENAME TO audit_chain")
    assert response.status_code == 201
    (line,) = [one for one in lines if one["event"] in {"audit.store_failed", "audit.crashed"}]
    assert (line["entry"]["action"], "sesame" in str(line)) == ("proxy.created", False)


async def test_entries_of_the_api_are_one_whole_chain(client: Client) -> None:
    for _ in range(3):
        await client.post("/api/v1/monitors", json=make.monitor_json(), headers=ADMIN_HEADERS)
    found = await chain.verify()
    assert (found.count, found.error) == (3, "")


async def test_admins_list_filter_and_page_the_log(client: Client) -> None:
    for name in ("a", "b", "c"):
        await client.post("/api/v1/proxies", json={**PROXY, "name": name}, headers=ADMIN_HEADERS)
    await client.post("/api/v1/proxies", json={}, headers=ADMIN_HEADERS)
    client.headers.update(ADMIN_HEADERS)
    whole = (await client.get("/api/v1/audit")).json()
    assert ([one["seq"] for one in whole["entries"]], whole["total"]) == ([4, 3, 2, 1], 4)
    rejected = (await client.get("/api/v1/audit?outcome=refused&action=proxy.created&actor=api-admin")).json()
    assert [one["code"] for one in rejected["entries"]] == ["VALIDATION_ERROR"]
    page = (await client.get("/api/v1/audit?limit=2")).json()
    assert (page["pagination"]["total"], page["next_cursor"]) == (4, 3)
    rest = (await client.get(f"/api/v1/audit?limit=2&cursor={page['next_cursor']}")).json()
    assert [one["seq"] for one in rest["data"]] == [2, 1]
    assert (await client.get("/api/v1/audit?from=2030-01-01T00:00:00Z")).json()["entries"] == []


@pytest.mark.parametrize(
    ("query", "field"),
    [("from=2026-01-01T00:00:00", "from"), ("outcome=well", "outcome"), ("cursor=0", "cursor"), ("who=me", "who")],
)
async def test_a_question_that_is_wrong_is_refused_by_its_name(client: Client, query: str, field: str) -> None:
    response = await client.get(f"/api/v1/audit?{query}", headers=ADMIN_HEADERS)
    assert (response.status_code, response.json()["error"]["details"]["fields"][0]["field"]) == (422, field)


async def test_the_log_is_taken_along_as_lines_or_as_a_table_and_that_is_recorded(client: Client) -> None:
    await client.post("/api/v1/proxies", json={**PROXY, "name": "=cmd()"}, headers=ADMIN_HEADERS)
    await log.record_entry(msgspec.structs.replace(make.deed(), actor="=cmd()"))
    lines = await client.get("/api/v1/audit/export", headers=ADMIN_HEADERS)
    assert [msgspec.json.decode(line)["seq"] for line in lines.text.splitlines()][-2:] == [2, 1]
    assert (await newest()).action == "audit.exported"
    table = await client.get("/api/v1/audit/export?format=csv&resource=test", headers=ADMIN_HEADERS)
    assert table.headers["Content-Type"].startswith("text/csv")
    assert "attachment" in table.headers["Content-Disposition"]
    heading, row = table.text.splitlines()
    assert (heading.startswith("seq,at,"), ",'=cmd()," in row) == (True, True)


def test_the_documents_example_is_an_export() -> None:
    lines, table = examples.RESPONSE_TEXTS["ExportAuditLog"].values()
    entry = msgspec.json.decode(lines, type=AuditEntry)
    assert msgspec.json.encode(entry) + b"\n" == lines.encode()
    assert audit._csv_row(audit.COLUMNS) + audit._csv_row(audit._cells(entry)) == table.encode()


async def test_only_admins_see_the_log(client: Client, viewer) -> None:
    for path in ("/api/v1/audit", "/api/v1/audit/export"):
        assert (await client.get(path, headers=viewer)).status_code == 403
