"""Every kind of caller: each one signs in over the API in its own way."""

from base64 import b64encode
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, NamedTuple

import time_machine

from app import db
from app.store.identity import credential_caches
from schema.status import Role
from tests.app.api.running_app import ADMIN_TOKEN, SETUP, Client, Headers, bearer

PASSWORD = "correct horse battery"
ELSEWHERE = "192.0.2.0/24"  # RFC 5737: for documentation only


class Person(NamedTuple):
    """Somebody, and what they are to be.

    role     None: the credential is bad, and everything is refused with `refusal`
    scopes   of an API key; None: all
    """

    authenticate: Callable[[Client], Awaitable[Headers]]
    role: Role | None = None
    refusal: int = 401
    is_key: bool = False
    scopes: frozenset[str] | None = None


async def set_user(name: str, column: str, value: object) -> None:
    """Change a user behind the API's back, and have it noticed at once."""
    await db.rows(f"UPDATE users SET {column} = ?2 WHERE username = ?1", name, value)
    forget()


async def set_key(column: str, value: object) -> None:
    """The same with every key."""
    await db.rows(f"UPDATE api_keys SET {column} = ?1", value)
    forget()


def forget() -> None:
    """Clear what is cached for a second."""
    credential_caches.clear_caches()


async def signed_in(client: Client, role: Role = Role.ADMIN, name: str = "ada") -> Headers:
    """A new user of this role, by access token."""
    who = {"email": f"{name}@example.org", "password": PASSWORD}
    assert (await client.post("/api/v1/auth/register", json={**who, **SETUP, "username": name})).status_code == 201
    await set_user(name, "role", role.value)
    response = await client.post("/api/v1/auth/login", json=who)
    client.cookies.clear()
    return bearer(response.json())


async def key_of(client: Client, owner: Headers, **limits: Any) -> str:
    """A new key of somebody's."""
    response = await client.post("/api/v1/api-keys", json={"name": "robot", "role": "admin", **limits}, headers=owner)
    assert response.status_code == 201, response.text
    return str(response.json()["key"])


def with_role(role: Role) -> Callable[[Client], Awaitable[Headers]]:
    async def authenticate(client: Client) -> Headers:
        return await signed_in(client, role)

    return authenticate


def with_key(**limits: Any) -> Callable[[Client], Awaitable[Headers]]:
    """An admin's key."""

    async def authenticate(client: Client) -> Headers:
        return {"X-API-Key": await key_of(client, await signed_in(client), **limits)}

    return authenticate


async def without_credentials(client: Client) -> Headers:
    del client
    return {}


async def by_admin_token(client: Client) -> Headers:
    del client
    return {"Authorization": f"Bearer {ADMIN_TOKEN}"}


async def by_cookie(client: Client) -> Headers:
    await signed_in(client, Role.VIEWER)
    response = await client.post("/api/v1/auth/login", json={"email": "ada@example.org", "password": PASSWORD})
    client.cookies.clear()
    cookie = next(one for one in response.headers.get_list("set-cookie") if one.startswith("session_id="))
    return {"Cookie": cookie.partition(";")[0], "Origin": str(client.base_url)}


async def by_basic(client: Client) -> Headers:
    await signed_in(client, Role.OPERATOR)
    return basic("ada", PASSWORD)


def basic(login: str, password: str) -> Headers:
    """`Authorization: Basic`."""
    return {"Authorization": "Basic " + b64encode(f"{login}:{password}".encode()).decode()}


async def with_a_wrong_password(client: Client) -> Headers:
    await signed_in(client)
    return basic("ada", "another password")


async def with_a_revoked_session(client: Client) -> Headers:
    headers = await signed_in(client)
    assert (await client.post("/api/v1/auth/logout", headers=headers)).status_code == 204
    return headers


async def with_an_expired_token(client: Client) -> Headers:
    with time_machine.travel(timedelta(hours=-1)):
        return await signed_in(client)


async def as_an_ended_user(client: Client) -> Headers:
    headers = await signed_in(client)
    await set_user("ada", "active", value=False)
    return headers


async def with_a_key_of_an_ended_user(client: Client) -> Headers:
    headers = await with_key()(client)
    await set_user("ada", "active", value=False)
    return headers


async def with_a_key_of_somebody_who_became_a_viewer(client: Client) -> Headers:
    headers = await with_key()(client)
    await set_user("ada", "role", "viewer")
    return headers


async def with_an_expired_key(client: Client) -> Headers:
    headers = await with_key()(client)
    await set_key("expires_ms", 1)
    return headers


async def with_an_unknown_key(client: Client) -> Headers:
    del client
    return {"X-API-Key": "pk_" + "A" * 43}


CALLERS = {
    "nobody": Person(without_credentials),
    "viewer": Person(with_role(Role.VIEWER), Role.VIEWER),
    "operator": Person(with_role(Role.OPERATOR), Role.OPERATOR),
    "admin": Person(with_role(Role.ADMIN), Role.ADMIN),
    "the installation's token": Person(by_admin_token, Role.ADMIN),
    "viewer by cookie": Person(by_cookie, Role.VIEWER),
    "operator by Basic": Person(by_basic, Role.OPERATOR),
    "wrong password by Basic": Person(with_a_wrong_password),
    "revoked session": Person(with_a_revoked_session),
    "expired token": Person(with_an_expired_token),
    "ended user": Person(as_an_ended_user),
    "key": Person(with_key(), Role.ADMIN, is_key=True),
    "key of a lesser role": Person(with_key(role="viewer"), Role.VIEWER, is_key=True),
    "key of a demoted owner": Person(with_a_key_of_somebody_who_became_a_viewer, Role.VIEWER, is_key=True),
    "key to read monitors": Person(
        with_key(scopes=["monitors:read"]), Role.ADMIN, is_key=True, scopes=frozenset({"monitors:read"})
    ),
    "key to write proxies": Person(
        with_key(scopes=["proxies:write"]),
        Role.ADMIN,
        is_key=True,
        scopes=frozenset({"proxies:write", "proxies:read"}),
    ),
    "key without scope": Person(with_key(scopes=[]), Role.ADMIN, is_key=True, scopes=frozenset()),
    "key from a wrong network": Person(with_key(networks=[ELSEWHERE]), refusal=403),
    "key switched off": Person(with_key(active=False)),
    "expired key": Person(with_an_expired_key),
    "key of an ended user": Person(with_a_key_of_an_ended_user),
    "unknown key": Person(with_an_unknown_key),
}
