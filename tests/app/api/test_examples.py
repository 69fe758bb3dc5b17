"""The document's examples fit their schemas, and every body of them is one that the API takes."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pyotp
import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # no stubs among our dependencies

from app.api.openapi import document, examples
from app.api.openapi.examples import bodies, channels, ids, monitors
from schema.channels import PROVIDERS
from schema.targets import TARGETS
from tests.app.api.authenticator import Authenticator
from tests.app.api.running_app import HOME, SETUP, Client, Headers, bearer, built

pytestmark = pytest.mark.either_engine

API = "/api/v1"
AUTH = f"{API}/auth"
PAGE = {"Origin": HOME}  # passkeys are for pages of ours
METHODS = ("get", "post", "put", "patch", "delete")
WAITING = {"RunAdHocCheck", "RunAdHocBatch", "TestWebhook", "TestChannelDraft"}  # for a worker, which tests have not
MADE = {  # what stands in a path, by the operation whose example makes it
    "key_id": "CreateApiKey",
    "channel_id": "CreateChannel",
    "check_id": "CreateCheck",
    "escalation_id": "CreateEscalation",
    "incident_id": "CreateIncident",
    "monitor_id": "CreateMonitor",
    "proxy_id": "CreateProxy",
    "tag_id": "CreateTag",
    "webhook_id": "CreateWebhook",
}
FIXED_PARAMETERS = {"key": "delivery.give_up_after_hours"}
RESPONSE_HEADERS = {"etag", "x-request-id", "retry-after", "idempotency-replayed", "location", "link"}
ID_OF = {ids.MONITOR_ID: "CreateMonitor", ids.CHANNEL_ID: "CreateChannel", ids.TAG_ID: "CreateTag"}


@pytest.fixture(scope="module")
def spec() -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(document.build_document(built("")))
    return found


def operations(spec: dict[str, Any]) -> dict[str, tuple[str, str, dict[str, Any]]]:
    """(path, method, operation) by id."""
    found = [(path, method, one) for path, item in spec["paths"].items() for method, one in item.items()]
    return {one["operationId"]: (path, method, one) for path, method, one in found if method in METHODS}


def values(content: dict[str, Any]) -> list[Any]:
    """The examples of one media type."""
    several = [one["value"] for one in content.get("examples", {}).values()]
    return several + ([content["example"]] if "example" in content else [])


def contents(operation: dict[str, Any]) -> list[dict[str, Any]]:
    """Every media type of what an operation takes and returns."""
    parts = [operation.get("requestBody", {}), *operation["responses"].values()]
    return [content for part in parts for content in part.get("content", {}).values()]


def test_every_body_has_an_example(spec: dict[str, Any]) -> None:
    for name, (_, _, one) in operations(spec).items():
        assert all(values(content) for content in one.get("requestBody", {}).get("content", {}).values()), name


def test_every_example_fits_its_schema(spec: dict[str, Any]) -> None:
    n_examples = 0
    for name, (_, _, one) in operations(spec).items():
        for content in contents(one):
            validator = Draft202012Validator({**content["schema"], "components": spec["components"]})
            for value in values(content):
                assert not [error.message for error in validator.iter_errors(value)], (name, value)
                n_examples += 1
    assert n_examples > len(TARGETS) + 2 * len(PROVIDERS) + len(bodies.REQUESTS)


def test_no_example_is_of_an_operation_that_is_not_there(spec: dict[str, Any]) -> None:
    assert {*examples.REQUEST_BODIES, *examples.BY_TYPE, *examples.RESPONSE_BODIES, *examples.RESPONSE_TEXTS} <= set(
        operations(spec)
    )


def test_every_type_has_an_example() -> None:
    assert list(monitors.CONFIGS) == list(TARGETS)
    assert set(channels.CONFIGS) == set(PROVIDERS)


class Caller:
    """Signs up and in by the examples, and sends others."""

    def __init__(self, client: Client, spec: dict[str, Any]) -> None:
        self.client, self.operations = client, operations(spec)
        self.headers: Headers = {}
        self.made: dict[str, str] = {}
        self.replies: dict[str, Any] = {}  # the newest of each operation

    async def sign_up(self) -> "Caller":
        assert (await self.send("Register", **SETUP)).status_code == 201
        self.headers = bearer(await self.sign_in())
        return self

    async def sign_in(self) -> dict[str, Any]:
        """The response of Login: tokens, or the refusal that wants a second factor."""
        body: dict[str, Any] = (await self.send("Login")).json()
        self.client.cookies.clear()
        return body

    async def mfa_token(self) -> dict[str, str]:
        return {"mfa_token": (await self.sign_in())["error"]["details"]["mfa_token"]}

    async def send(self, name: str, example: Any = None, /, **changes: Any) -> Any:
        """Send an operation's example, with the ids and secrets of this installation in it."""
        path, method, operation = self.operations[name]
        for parameter in (one["name"] for one in operation.get("parameters", []) if one["in"] == "path"):
            path = path.replace(f"{{{parameter}}}", await self.id_for(parameter, name))
        body = {
            **(example or examples.REQUEST_BODIES.get(name) or next(iter(examples.BY_TYPE[name].values()))),
            **changes,
        }
        if name == "CreateToken":
            return await self.client.request(method, path, data=body)
        sent = await self.with_ids(body)
        self.replies[name] = await self.client.request(method, path, json=sent, headers=self.headers)
        return self.replies[name]

    async def with_ids(self, body: dict[str, Any]) -> Any:
        text = msgspec.json.encode(body).decode()
        for placeholder, name in ID_OF.items():
            if placeholder in text:
                text = text.replace(placeholder, await self.id_of(name))
        return msgspec.json.decode(text)

    async def id_for(self, parameter: str, operation: str) -> str:
        if parameter in FIXED_PARAMETERS:
            return FIXED_PARAMETERS[parameter]
        if parameter == "user_id":
            email = f"{operation.lower()}@example.org"
            return str((await self.send("CreateUser", email=email, password=bodies.PASSWORD)).json()["id"])
        if operation == "SetMonitorStatus":
            return str((await self.send("CreateMonitor", monitors.drafts()["manual"])).json()["id"])
        return await self.id_of(MADE[parameter])

    async def id_of(self, name: str) -> str:
        """The id of what an operation's example makes; made once."""
        if name not in self.made:
            response = await self.send(name)
            assert response.status_code == 201, response.text
            self.made[name] = response.json()["id"]
        return self.made[name]


@pytest.fixture
async def caller(client: Client, spec: dict[str, Any]) -> Caller:
    return await Caller(client, spec).sign_up()


@pytest.mark.parametrize("name", ["CreateMonitor", "CreateChannel"])
async def test_an_example_of_every_type_is_taken(caller: Caller, name: str) -> None:
    responses = {type_: await caller.send(name, one) for type_, one in examples.BY_TYPE[name].items()}
    assert {type_: one.text for type_, one in responses.items() if one.status_code != 201} == {}


async def test_a_channel_is_tried_with_what_it_is_made_of() -> None:
    assert examples.BY_TYPE["TestChannelDraft"] == examples.BY_TYPE["CreateChannel"]


async def test_the_example_of_every_other_operation_is_taken(caller: Caller) -> None:
    names = [one for one in examples.REQUEST_BODIES if one not in IDENTITY and one not in WAITING and one != "Register"]
    responses = {name: await caller.send(name) for name in names if name not in caller.made}
    assert {name: one.text for name, one in responses.items() if one.status_code not in {200, 201}} == {}


async def test_replies_have_the_headers_that_are_declared(caller: Caller) -> None:
    for made in MADE.values():
        await caller.id_of(made)
    for name in (*(f"Update{noun}" for noun in bodies.PATCHES), "UpdateCheck", "UpdateSetting"):
        await caller.send(name)
    for name, response in caller.replies.items():
        responses = caller.operations[name][2]["responses"]
        declared = {one.lower() for one in responses[str(response.status_code)]["headers"]}
        there = {one for one in response.headers if one in RESPONSE_HEADERS or one.startswith("x-ratelimit-")}
        assert there == declared - {"idempotency-replayed"}, name


async def test_a_reply_that_is_repeated_has_the_header_that_is_declared(caller: Caller) -> None:
    caller.headers = {**caller.headers, "Idempotency-Key": "order-7"}
    await caller.send("CreateTag")
    again = await caller.send("CreateTag")
    declared = caller.operations["CreateTag"][2]["responses"]["201"]["headers"]
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" in declared


async def test_the_examples_of_checks_that_are_kept_nowhere_are_taken(caller: Caller) -> None:
    batch = {"checks": [examples.REQUEST_BODIES["RunAdHocCheck"], *examples.REQUEST_BODIES["RunAdHocBatch"]["checks"]]}
    response = await caller.send("RunAdHocBatch", {**examples.REQUEST_BODIES["RunAdHocBatch"], **batch}, timeout=1)
    assert [one["error"] for one in response.json()["results"]] == ["timed out"] * 3  # no worker runs them


async def refreshed(caller: Caller) -> Any:
    return await caller.send("RefreshToken", refresh_token=(await caller.sign_in())["refresh_token"])


async def verified(caller: Caller) -> Any:
    secret = (await caller.send("SetUpTotp")).json()["secret"]
    return await caller.send("VerifyTotp", token=pyotp.TOTP(secret).now())


async def codes(caller: Caller) -> list[str]:
    found: list[str] = (await verified(caller)).json()["recovery_codes"]
    return found


async def with_code(caller: Caller, name: str) -> Any:
    return await caller.send(name, token=(await codes(caller))[0])


async def signed_in_with_code(caller: Caller) -> Any:
    (code, *_) = await codes(caller)
    return await caller.send("LoginWithCode", **await caller.mfa_token(), token=code)


async def options(caller: Caller) -> Any:
    caller.headers = {**caller.headers, **PAGE}
    return await caller.send("CreatePasskeyOptions")


async def added(caller: Caller, device: Authenticator) -> Any:
    wanted = (await options(caller)).json()["public_key"]
    return await caller.send("CreatePasskey", credential=device.create(wanted))


async def renamed(caller: Caller) -> Any:
    passkey = (await added(caller, Authenticator(HOME))).json()["passkey"]
    body = examples.REQUEST_BODIES["UpdatePasskey"]
    return await caller.client.patch(f"{AUTH}/passkeys/{passkey['id']}", json=body, headers=caller.headers)


async def signing_in_with_passkey(caller: Caller, device: Authenticator) -> tuple[dict[str, str], Any]:
    await added(caller, device)
    mfa_token = await caller.mfa_token()
    caller.headers = PAGE
    return mfa_token, await caller.send("CreatePasskeyLoginOptions", **mfa_token)


async def signed_in_with_passkey(caller: Caller) -> Any:
    device = Authenticator(HOME)
    mfa_token, wanted = await signing_in_with_passkey(caller, device)
    return await caller.send("LoginWithPasskey", **mfa_token, credential=device.get(wanted.json()["public_key"]))


async def accepted(caller: Caller) -> Any:
    token = (await caller.send("CreateInvitation")).json()["token"]
    return await caller.send("AcceptInvitation", token=token)


async def passkey_login_options(caller: Caller) -> Any:
    return (await signing_in_with_passkey(caller, Authenticator(HOME)))[1]


async def passkey_added(caller: Caller) -> Any:
    return await added(caller, Authenticator(HOME))


IDENTITY: dict[str, Callable[[Caller], Awaitable[Any]]] = {
    "Login": lambda caller: caller.send("Login"),
    "CreateToken": lambda caller: caller.send("CreateToken"),
    "RefreshToken": refreshed,
    "UpdateMe": lambda caller: caller.send("UpdateMe"),
    "UpdatePassword": lambda caller: caller.send("UpdatePassword"),
    "SetUpTotp": lambda caller: caller.send("SetUpTotp"),
    "VerifyTotp": verified,
    "DisableTwoFactor": lambda caller: with_code(caller, "DisableTwoFactor"),
    "CreateRecoveryCodes": lambda caller: with_code(caller, "CreateRecoveryCodes"),
    "LoginWithCode": signed_in_with_code,
    "CreatePasskeyOptions": options,
    "CreatePasskey": passkey_added,
    "UpdatePasskey": renamed,
    "CreatePasskeyLoginOptions": passkey_login_options,
    "LoginWithPasskey": signed_in_with_passkey,
    "AcceptInvitation": accepted,
}


@pytest.mark.parametrize("name", IDENTITY)
async def test_the_examples_of_signing_in_are_taken(caller: Caller, name: str) -> None:
    response = await IDENTITY[name](caller)
    assert response.status_code in {200, 201, 204}, response.text
