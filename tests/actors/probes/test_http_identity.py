"""Authentication to HTTP servers: OAuth2 tokens and NTLM."""

import asyncio
from base64 import b64decode, b64encode
from urllib.parse import parse_qs

import pytest
import spnego
from hypothesis import given, strategies as st

from actors.probes.http.oauth import TokenGrant, parse_token_response
from actors.probes.kit.result import TargetFailed
from schema.status import Status
from schema.targets import Http
from schema.targets.http import ClientAuth, Ntlm, OAuth2
from tests.actors.probes.scripted_server import listening
from tests.actors.probes.target import answering, flooding, redirecting, serving

UP, DOWN = Status.UP, Status.DOWN
ANSWERS = rb'\{"(access_token|error|expires_in)": ?("\w*"|-?\d+|1e\d+|null|\[\]|true)\}'
GRANTED = b'{"access_token": "t0ken", "token_type": "bearer", "expires_in": 3600}'


REFUSED = b'{"error": "invalid_client", "error_description": "no such client"}'


def granting(requests: list[dict[str, list[str]]], answer: bytes = GRANTED, status: str = "200 OK"):
    """A token endpoint's script; it notes the forms it was sent."""

    async def script(head, writer):
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        reader = writer.transport.get_protocol()._stream_reader
        requests.append(parse_qs((await reader.readexactly(length)).decode()))
        await answering(answer, status)(head, writer)

    return script


def oauth(endpoint, **changes) -> OAuth2:
    return OAuth2(**{"token_url": endpoint.url("/token"), "client_id": "me", "client_secret": "s3c+ret", **changes})


async def test_a_token_is_fetched_once_and_sent_every_time(check):
    forms: list[dict[str, list[str]]] = []
    async with serving(granting(forms)) as endpoint, serving(answering()) as target:
        watched = Http(url=target.url(), auth=oauth(endpoint, scopes="read status"))
        outcomes = [await check(watched), await check(watched, detailed=True)]
    assert {one.status for one in outcomes} == {UP}
    assert forms == [{"grant_type": ["client_credentials"], "scope": ["read status"]}]
    assert all("Authorization: Bearer t0ken\r\n" in head for head in target.heads)
    assert f"Authorization: Basic {b64encode(b'me:s3c%2Bret').decode()}" in endpoint.heads[0]


async def test_the_secret_is_sent_in_the_form_when_configured(check):
    forms: list[dict[str, list[str]]] = []
    async with serving(granting(forms)) as endpoint, serving(answering()) as target:
        await check(Http(url=target.url(), auth=oauth(endpoint, client_auth=ClientAuth.POST)))
    assert (forms[0]["client_id"], forms[0]["client_secret"]) == (["me"], ["s3c+ret"])
    assert "Authorization" not in endpoint.heads[0]


async def test_a_token_that_is_no_longer_taken_is_fetched_anew(check):
    forms: list[dict[str, list[str]]] = []
    async with serving(granting(forms)) as endpoint, serving(answering(status="401 Unauthorized")) as target:
        watched = Http(url=target.url(), auth=oauth(endpoint))
        outcomes = [await check(watched), await check(watched)]
    assert {one.status for one in outcomes} == {DOWN}
    assert len(forms) == 2


async def test_a_token_that_expires_at_once_is_not_cached(check):
    forms: list[dict[str, list[str]]] = []
    short = b'{"access_token": "t", "expires_in": 1}'
    async with serving(granting(forms, short)) as endpoint, serving(answering()) as target:
        watched = Http(url=target.url(), auth=oauth(endpoint))
        assert [(await check(watched)).status, (await check(watched)).status] == [UP, UP]
    assert len(forms) == 2


@pytest.mark.parametrize(
    ("answer", "status", "message"),
    [
        (b'{"error": "invalid_client"}', "401 Unauthorized", "no token: the endpoint answered 401: invalid_client"),
        (REFUSED, "401 Unauthorized", "no token: the endpoint answered 401: invalid_client: no such client"),
        (REFUSED, "200 OK", "no token: the endpoint answered 200: invalid_client: no such client"),
        (b'{"error": {"code": 7}}', "400 Bad Request", "no token: the endpoint answered 400"),
        (b'{"error": "key s3c+ret"}', "403 Forbidden", "no token: the endpoint answered 403: key ********"),
        (b'{"access_token": "a\\r\\nb"}', "200 OK", "no token: the endpoint's answer has none"),
        (b'{"access_token": 7}', "200 OK", "no token: the endpoint's answer has none"),
        (b"<html>sign in</html>", "503 Service Unavailable", "no token: the endpoint answered 503"),
        (b"{}", "200 OK", "no token: the endpoint's answer has none"),
        (b"[" * 60_000, "200 OK", "no token: the endpoint's answer has none"),
        (b"", "302 Found", "no token: the endpoint answered 302"),
    ],
)
async def test_without_a_token_the_target_is_not_requested(check, answer, status, message):
    async with serving(granting([], answer, status)) as endpoint, serving(answering()) as target:
        outcome = await check(Http(url=target.url(), auth=oauth(endpoint)))
    assert (outcome.status, outcome.message, target.heads) == (DOWN, message, [])
    assert "s3c" not in outcome.message


@pytest.mark.parametrize(
    ("answer", "lives_s"),
    [
        (b'{"access_token":"tok","expires_in":"3599"}', 3599),
        (b'{"access_token":"tok","expires_in":3599.5,"token_type":7}', 3599.5),
        (b'{"access_token":"tok","expires_in":"soon"}', None),
        (b'{"access_token":"tok","expires_in":null}', None),
        (b'{"access_token":"tok","expires_in":[1]}', None),
        (b'{"access_token":"tok","expires_in":true}', None),
        (b'{"access_token":"tok","expires_in":"1e999"}', None),
        (b'{"access_token":"tok","expires_in":' + b"9" * 400 + b"}", None),
        (b'{"access_token":"tok\\n","expires_in":1}', 1),
        (b'\xef\xbb\xbf{"access_token":"tok"}', None),
        ('{"access_token":"tok"}'.encode("utf-16"), None),
        (b"access_token=tok&scope=&token_type=bearer&expires_in=60", 60),
    ],
)
async def test_a_token_is_taken_in_whatever_types_it_comes(check, answer, lives_s):
    assert parse_token_response(201, answer) == TokenGrant("tok", lives_s)
    async with serving(granting([], answer)) as endpoint, serving(answering()) as target:
        outcome = await check(Http(url=target.url(), auth=oauth(endpoint)))
    assert outcome.status is UP
    assert "Authorization: Bearer tok\r\n" in target.heads[0]


@given(st.integers(100, 599), st.binary(max_size=60) | st.from_regex(ANSWERS, fullmatch=True))
def test_no_answer_is_more_than_a_token_or_a_refusal(status, answer):
    try:
        granted = parse_token_response(status, answer)
    except TargetFailed:
        return
    assert granted.access_token.isascii()
    assert granted.access_token.isprintable()


async def test_a_token_endpoint_that_floods_us_is_bounded(check):
    async with serving(flooding) as endpoint, serving(answering()) as target:
        outcome = await check(Http(url=target.url(), auth=oauth(endpoint)))
    assert (outcome.status, outcome.message) == (DOWN, "no token: the endpoint's answer has none")


async def test_a_token_is_sent_only_to_its_host(check):
    async with (
        serving(answering(), host="localhost") as untrusted,
        serving(redirecting(untrusted.url())) as target,
        serving(granting([])) as endpoint,
    ):
        await check(Http(url=target.url(), auth=oauth(endpoint)))
    assert "t0ken" in target.heads[0]
    assert "t0ken" not in untrusted.heads[0]


async def test_a_refused_token_endpoint_is_not_requested(check):
    auth = OAuth2(token_url="http://169.254.169.254/token", client_id="a", client_secret="b")
    outcome = await check(Http(url="http://127.0.0.1:9/", auth=auth))
    assert outcome.status is Status.UNKNOWN
    assert "is a cloud metadata address" in outcome.message


class NtlmServer:
    """Speaks HTTP with NTLM, by pyspnego's own acceptor: who they are belongs to the connection."""

    def __init__(self) -> None:
        self.connections, self.url = 0, ""

    async def serve(self, reader, writer):
        self.connections += 1
        acceptor = spnego.server(protocol="ntlm")
        while not acceptor.complete:
            try:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                token = head.partition("Authorization: NTLM ")[2].split("\r\n")[0]
                token_out = acceptor.step(b64decode(token))
            except (asyncio.IncompleteReadError, spnego.exceptions.SpnegoError):
                break
            if not acceptor.complete:
                challenge = b64encode(token_out or b"").decode()
                writer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n")
                writer.write(f"WWW-Authenticate: Negotiate\r\nWWW-Authenticate: NTLM {challenge}\r\n\r\nno".encode())
        name = acceptor.client_principal if acceptor.complete else ""
        status = "200 OK" if name else "401 Unauthorized"
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(name or '')}\r\n\r\n{name or ''}".encode())
        writer.close()


@pytest.fixture
async def ntlm_server(tmp_path, monkeypatch):
    (tmp_path / "users").write_text("LAN:ann:s3cret\n")
    monkeypatch.setenv("NTLM_USER_FILE", str(tmp_path / "users"))
    speaker = NtlmServer()
    async with listening(speaker.serve) as port:
        speaker.url = f"http://127.0.0.1:{port}/"
        yield speaker


@pytest.mark.parametrize(("password", "expected_status"), [("s3cret", UP), ("wrong", DOWN)])
async def test_ntlm_is_spoken_on_one_connection(check, ntlm_server, password, expected_status):
    auth = Ntlm(username="ann", password=password, domain="LAN")
    outcome = await check(Http(url=ntlm_server.url, auth=auth, keyword="ann"))
    assert (outcome.status, ntlm_server.connections) == (expected_status, 1)


async def test_a_server_without_ntlm_is_judged_by_its_response(check):
    async with serving(answering(b"hello")) as target:
        outcome = await check(Http(url=target.url(), auth=Ntlm(username="ann", password="s3cret")))
    assert outcome.status is UP


@pytest.mark.parametrize("token", ["garbage", "TlRMTVNTUAACAAAA", "====", "A" * 40_000])
async def test_a_challenge_that_is_none_is_the_targets_failure(check, token):
    headers = f"WWW-Authenticate: NTLM {token}\r\nConnection: keep-alive\r\n"
    async with serving(answering(b"", "401 Unauthorized", headers=headers)) as target:
        outcome = await check(Http(url=target.url(), auth=Ntlm(username="ann", password="s3cret")))
    assert outcome.status is DOWN
    assert "s3cret" not in outcome.message
