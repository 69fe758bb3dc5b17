"""Failed credentials are in the audit log with address and account, and the log cannot be flooded with them."""

from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest
from litestar import Litestar

from app import db
from app.api.http import audit_trail
from app.security.limits import failed_logins
from app.settings import Settings
from app.store.audit import failed_logins as written, log
from app.store.audit.log import AuditQuery
from schema.audit import AuditEntry, AuditOutcome
from schema.login_attempts import AuthMethod
from tests.app.api.running_app import ADA, ADMIN_TOKEN, SETUP, Client, bearer, calling, served
from tests.app.api.sockets import connect_socket

ME, AUTH = "/api/v1/auth/me", "/api/v1/auth"
ADMIN_HEADERS = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
MOST = 3  # wrong passwords before a lock-out
WRONG = {**ADA, "password": "a guess"}

Try = Callable[[Client], Awaitable[object]]


def basic(login: str) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{login}:a guess".encode()).decode()}


@pytest.fixture
async def guarded(database: Settings) -> AsyncIterator[Client]:
    """A client of an application that locks out soon, and knows a provider that is not there."""
    failed_logins.clear_counts()
    audit_trail.clear_throttle()
    settings = replace(
        database, api_admin_token=ADMIN_TOKEN, oidc_issuer="http://127.0.0.1:9", bruteforce_max_attempts=MOST
    )
    async with calling(served(settings)) as one:
        yield one
    failed_logins.clear_counts()


async def ada(client: Client) -> dict[str, str]:
    """The first user, signed in."""
    await client.post(f"{AUTH}/register", json={**ADA, **SETUP})
    login = (await client.post(f"{AUTH}/login", json=ADA)).json()
    client.cookies.clear()
    return bearer(login)


async def by_code(client: Client) -> None:
    headers = await ada(client)
    await client.post(f"{AUTH}/2fa/setup", json={"password": ADA["password"]}, headers=headers)
    for _ in range(2):
        await client.post(f"{AUTH}/2fa/verify", json={"token": "abcdef"}, headers=headers)


async def by_own_password(client: Client) -> None:
    headers, payload = await ada(client), {"old_password": "a guess", "new_password": "seven green boats"}
    for _ in range(2):
        await client.put(f"{AUTH}/password", json=payload, headers=headers)


async def at_setup(client: Client) -> None:
    for _ in range(2):
        await client.post(f"{AUTH}/register", json=ADA)


def twice(method: str, path: str, **sent: object) -> Try:
    async def tried(client: Client) -> None:
        await ada(client)
        for _ in range(2):
            await client.request(method, path, **sent)  # type: ignore[arg-type]  # what httpx takes

    return tried


# how it is tried twice, and whether it names an account
TRIES: dict[AuthMethod, tuple[Try, bool]] = {
    AuthMethod.LOGIN: (twice("POST", f"{AUTH}/login", json=WRONG), True),
    AuthMethod.CODE: (by_code, True),
    AuthMethod.OIDC: (twice("GET", f"{AUTH}/oidc/callback?code=x&state=y"), False),
    AuthMethod.BASIC: (twice("GET", ME, headers=basic("ada")), True),
    AuthMethod.API_KEY: (twice("GET", ME, headers={"X-API-Key": "pk_made-up"}), False),
    AuthMethod.TOKEN: (twice("GET", ME, headers={"Authorization": "Bearer a.b.c"}), False),
    AuthMethod.COOKIE: (twice("GET", ME, headers={"Cookie": "session_id=made.up"}), False),
    AuthMethod.OWN_PASSWORD: (by_own_password, True),
    AuthMethod.INVITATION: (
        twice("POST", "/api/v1/invitations/accept", json={"token": "made-up", "password": "seven green boats"}),
        False,
    ),
    AuthMethod.SETUP_TOKEN: (at_setup, False),
    AuthMethod.ACK_LINK: (twice("GET", "/ack/made-up"), False),
}
ELSEWHERE = {AuthMethod.PASSKEY}  # tried in test_passkeys, where there is an authenticator


async def entries() -> list[AuditEntry]:
    """What is written of failed proofs once everything is; of each kind the newest, which has the whole number."""
    await written.save(everything=True)
    found = [one for one in (await log.list_page(AuditQuery(limit=1_000)))[0] if "way" in one.change]
    kinds = {(one.change["way"], one.ip, one.resource_id, one.code): one for one in reversed(found)}
    return list(kinds.values())


def test_every_way_is_tried() -> None:
    assert set(TRIES) | ELSEWHERE == set(AuthMethod)


@pytest.mark.parametrize("way", TRIES)
async def test_failed_credentials_are_audited_with_address_account_and_count(guarded: Client, way: AuthMethod) -> None:
    tried, is_named = TRIES[way]
    await tried(guarded)
    (entry,) = await entries()
    users = [row["id"] for row in await db.rows("SELECT id FROM users")]
    assert (entry.action, entry.outcome, entry.code) == ("session.started", AuditOutcome.REFUSED, "UNAUTHORIZED")
    assert (entry.ip, entry.resource_id) == ("127.0.0.1", users[0] if is_named else "")
    assert entry.change == {"way": way.value, "count": 2, "locked": False}


@pytest.mark.parametrize("message", [None, {"type": "auth", "token": "pk_made-up"}, {"type": "auth", "token": "a.b.c"}])
async def test_failed_websocket_credentials_are_audited(
    application: Litestar, client: Client, message: dict[str, str] | None
) -> None:
    del client  # which has the application run
    failed_logins.clear_counts()
    async with connect_socket(application, basic("nobody") if message is None else {}) as socket:
        if message:
            socket.send_message(**message)
        while "closed" not in await socket.message():
            pass
    (entry,) = await entries()
    assert (entry.ip, entry.change["count"]) == ("127.0.0.1", 1)
    assert entry.change["way"] == ("basic" if message is None else {"p": "api_key", "a": "token"}[message["token"][0]])


async def test_a_key_that_is_switched_off_is_recorded_with_its_owner(guarded: Client) -> None:
    headers = await ada(guarded)
    made = (await guarded.post("/api/v1/api-keys", json={"name": "ci", "active": False}, headers=headers)).json()
    assert (await guarded.get(ME, headers={"X-API-Key": made["key"]})).status_code == 401
    assert [one.resource_id for one in await entries()] == [made["user_id"]]


async def test_a_lock_out_is_recorded_too(guarded: Client) -> None:
    await ada(guarded)
    codes = [(await guarded.get(ME, headers=basic("eve"))).status_code for _ in range(MOST + 2)]
    assert codes == [401] * MOST + [429] * 2
    changes = {one.code: one.change for one in await entries()}
    assert changes["UNAUTHORIZED"] == {"way": "basic", "count": MOST, "locked": False}
    assert changes["RATE_LIMITED"] == {"way": "basic", "count": 2, "locked": True}


async def test_typed_credentials_are_logged_nowhere(guarded: Client, capsys: pytest.CaptureFixture[str]) -> None:
    await ada(guarded)
    await guarded.get(ME, headers=basic("hunter2"))
    (entry,) = await entries()
    printed = capsys.readouterr().out
    assert "hunter2" not in f"{entry}{printed}"
    (line,) = [one for one in printed.splitlines() if "auth.login_failed" in one]
    assert "ip=127.0.0.1" in line


async def test_an_expired_session_is_everyday_and_not_recorded(guarded: Client) -> None:
    headers = await ada(guarded)
    await guarded.post(f"{AUTH}/logout", headers=headers)
    assert (await guarded.get(ME, headers=headers)).status_code == 401
    assert await entries() == []


async def test_a_thousand_addresses_leave_no_more_than_a_minutes_worth(store: Settings) -> None:
    del store
    failed_logins.clear_counts()
    for number in range(1_000):
        failed_logins.record_failed_login(AuthMethod.BASIC, f"203.0.{number % 250}.{number // 250}", f"user{number}")
        failed_logins.record_failed_login(AuthMethod.LOGIN, f"2001:db8:0:{number:x}::1", f"user{number}")
    found = failed_logins.due_entries(0.0)
    assert len(found) <= failed_logins.MAX_KINDS + len(AuthMethod)
    recorded = await entries()
    assert len(recorded) <= failed_logins.MAX_KINDS + len(AuthMethod)
    assert sum(one.change["count"] for one in recorded) > 1_900  # single ones by login leave entries of their own


def test_the_first_is_due_at_once_and_the_rest_of_its_minute_together() -> None:
    failed_logins.clear_counts()
    failed_logins.record_failed_login(AuthMethod.BASIC, "192.0.2.1", "ada", now_s=1_000)
    (first,) = failed_logins.due_entries(1_001)
    assert first[1] == 1
    failed_logins.mark_written([first], 1_001)
    for _ in range(5):
        failed_logins.record_failed_login(AuthMethod.BASIC, "192.0.2.1", "Ada ", now_s=1_002)
    assert failed_logins.due_entries(1_059) == []
    (rest,) = failed_logins.due_entries(1_060)
    assert rest[1] == 6
    failed_logins.mark_written([rest], 1_060)
    assert failed_logins.due_entries(1_060, is_final=True) == []


def test_logins_audited_by_their_route_are_due_only_when_repeated() -> None:
    failed_logins.clear_counts()
    for account in ("ada", "bob", "bob"):
        failed_logins.record_failed_login(AuthMethod.LOGIN, "192.0.2.1", account, now_s=1_000)
    assert failed_logins.due_entries(1_001) == []
    assert [(guess.account, n) for guess, n in failed_logins.due_entries(1_060)] == [("bob", 2)]
    failed_logins.clear_counts()
