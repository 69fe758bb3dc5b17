"""HTTP Digest: the examples of its standards, and a server that curl and a check both authenticate to."""

import asyncio
import re
from hashlib import md5, sha256

import pytest
from hypothesis import given, strategies as st

from actors.probes.http.digest import DigestChallenge, authorization_header, parse_challenges
from actors.probes.http.request import HttpRequest
from app.domain.parsing.web_url import parse_url
from schema.status import Status
from schema.targets import Http, Method
from schema.targets.http import HttpDigestAuth
from tests.actors.probes.server_processes import program
from tests.actors.probes.target import answering, redirecting, serving

UP, DOWN = Status.UP, Status.DOWN
LION = HttpDigestAuth(username="Mufasa", password="Circle of Life")
CUBS = HttpRequest("GET", parse_url("http://www.example.org/dir/index.html"))
NONCE, CNONCE = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
OPAQUE = "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"
RFC_7616 = "".join(
    f'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={name}, nonce="{NONCE}",opaque="{OPAQUE}", '
    for name in ("SHA-256", "MD5")
)
ANN = HttpDigestAuth(username="änn", password='s3"c\\r€t')


def fields_of(header: str) -> dict[str, str]:
    found = re.findall(r'(\w+)=(?:"((?:[^"\\]|\\.)*)"|([^ ,]+))', header)
    return {name: re.sub(r"\\(.)", r"\1", quoted) or bare for name, quoted, bare in found}


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_a_proof_is_the_one_that_rfc_7616_shows(algorithm, response):
    challenge = next(one for one in parse_challenges(RFC_7616) if one.algorithm == algorithm)
    fields = fields_of(authorization_header(challenge, LION, CUBS, CNONCE))
    assert fields == {
        "username": "Mufasa",
        "realm": "http-auth@example.org",
        "uri": "/dir/index.html",
        "algorithm": algorithm,
        "nonce": NONCE,
        "nc": "00000001",
        "cnonce": CNONCE,
        "qop": "auth",
        "response": response,
        "opaque": OPAQUE,
    }


def test_a_proof_is_the_one_that_rfc_2617_shows():
    challenge = DigestChallenge("testrealm@host.com", "dcd98b7102dd2f0e8b11d0f600bfb0c093", qop="auth")
    auth = HttpDigestAuth(username="Mufasa", password="Circle Of Life")
    assert (
        fields_of(authorization_header(challenge, auth, CUBS, "0a4f113b"))["response"]
        == "6629fae49393a05397450978507c4ef1"
    )


@pytest.mark.parametrize(
    ("header", "known"),
    [
        ('Basic realm="a, b", Digest realm="c", nonce="d"', [("c", "d", "")]),
        ('DIGEST nonce=d,realm="c",algorithm=md5,stale=TRUE, NTLM', [("c", "d", "md5")]),
        ('Digest realm="a \\"b\\"" , nonce="d", Negotiate abc==', [('a "b"', "d", "")]),
        (
            'Digest realm="c", nonce="1", Digest realm="c", nonce="2", algorithm=SHA-256',
            [("c", "1", ""), ("c", "2", "SHA-256")],
        ),
        ('Digest realm="c"', []),
        ("Basic, Digest", []),
        ("", []),
    ],
)
def test_challenges_are_found_among_others(header, known):
    assert [(one.realm, one.nonce, one.algorithm) for one in parse_challenges(header)] == known


@given(st.text(max_size=200))
def test_no_header_is_too_much(header):
    parse_challenges(f"Digest {header}")


def asking(algorithm: str = "", qop: str = "", *, userhash: bool = False, stale: int = 0):
    """A server's script that accepts ANN; the first `stale` correct responses have an expired nonce."""
    name = algorithm.upper().removesuffix("-SESS") or "MD5"
    left = [stale]

    def hashed(*parts: bytes) -> bytes:
        return (md5 if name == "MD5" else sha256)(b":".join(parts)).hexdigest().encode()

    def is_right(head: bytes) -> bool:
        method, uri, _ = head.split(b" ", 2)
        line = next((one for one in head.split(b"\r\n") if one.lower().startswith(b"authorization: digest ")), b"")
        fields = {key: value.encode() for key, value in fields_of(line.decode()).items()}
        if not fields or fields["uri"] != uri or fields["nonce"] != b"n0nce+/=" or fields["opaque"] != b"":
            return False
        who = ANN.username.encode()
        if fields["username"] != (hashed(who, b'the "realm"') if userhash else who):
            return False
        secret = hashed(who, b'the "realm"', ANN.password.encode())
        if algorithm.lower().endswith("-sess"):
            secret = hashed(secret, fields["nonce"], fields["cnonce"])
        hashed_uri = hashed(method, uri, hashed(b"words")) if qop == "auth-int" else hashed(method, uri)
        covered = [fields["nc"], fields["cnonce"], fields["qop"]] if qop else []
        return fields["response"] == hashed(secret, fields["nonce"], *covered, hashed_uri)

    async def script(head, writer):
        ok = is_right(head)
        if ok and not left[0]:
            await answering(b"in")(head, writer)
            return
        left[0] -= ok
        wanted = 'Digest realm="the \\"realm\\"", nonce="n0nce+/=", opaque=""'
        wanted += f", algorithm={algorithm}" if algorithm else ""
        wanted += f', qop="{qop}"' if qop else ""
        wanted += ", userhash=true" if userhash else ""
        wanted += ", stale=true" if ok else ""
        await answering(b"out", "401 Unauthorized", headers=f"WWW-Authenticate: {wanted}\r\n")(head, writer)

    return script


KINDS = [
    {},
    {"qop": "auth"},
    {"algorithm": "MD5"},
    {"algorithm": "md5", "qop": "auth"},
    {"algorithm": "MD5-sess", "qop": "auth"},
    {"algorithm": "SHA-256", "qop": "auth"},
    {"algorithm": "SHA-256-sess", "qop": "auth"},
    {"algorithm": "SHA-256", "qop": "auth", "userhash": True},
]


@pytest.mark.parametrize("kind", KINDS, ids=str)
async def test_a_server_lets_in_whom_it_lets_curl_in(check, kind):
    async with serving(asking(**kind)) as target:
        url = target.url("/a%2Fb?c=%27")
        args = [
            "-q",
            "-s",
            "--digest",
            "-u",
            f"{ANN.username}:{ANN.password}",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            url,
        ]
        curl = await asyncio.create_subprocess_exec(program("curl", "curl"), *args, stdout=asyncio.subprocess.PIPE)
        assert (await curl.communicate())[0] == b"200"
        assert (await check(Http(url=url, auth=ANN, keyword="in"))).status is UP
        wrong = await check(Http(url=url, auth=HttpDigestAuth(username="änn", password="wrong")))
    assert (wrong.status, wrong.message) == (DOWN, "401 Unauthorized, expected 2XX")
    assert len(target.heads) == 6  # two requests of each


async def test_a_proof_covers_the_body_where_it_must(check):
    async with serving(asking("SHA-256", "auth-int")) as target:
        assert (await check(Http(url=target.url(), method=Method.POST, body="words", auth=ANN))).status is UP


@pytest.mark.parametrize(("stale", "expected_status"), [(1, UP), (2, DOWN)])
async def test_an_expired_nonce_is_requested_once_more(check, stale, expected_status):
    async with serving(asking("MD5", "auth", stale=stale)) as target:
        assert (await check(Http(url=target.url(), auth=ANN))).status is expected_status
    assert len(target.heads) == 3


async def test_an_algorithm_that_checks_do_not_have_is_named(check):
    wanted = 'WWW-Authenticate: Digest realm="a", nonce="b", algorithm=SHA-512-256\r\n'
    async with serving(answering(b"", "401 Unauthorized", headers=wanted)) as target:
        outcome = await check(Http(url=target.url(), auth=ANN))
    assert outcome.status is DOWN
    assert outcome.message == "the server asks for Digest by SHA-512-256, and checks have MD5 and SHA-256"


async def test_no_proof_is_sent_when_none_is_required(check):
    async with serving(answering()) as target:
        assert (await check(Http(url=target.url(), auth=ANN))).status is UP
    assert ["authorization" in head.lower() for head in target.heads] == [False]


async def test_digest_authentication_works_after_a_redirect_within_the_origin(check):
    door = asking("SHA-256", "auth")

    async def script(head, writer):
        await (redirecting("/in") if head.startswith(b"GET / ") else door)(head, writer)

    async with serving(script) as target:
        assert (await check(Http(url=target.url(), auth=ANN))).status is UP
    assert len(target.heads) == 3


async def test_another_origin_gets_no_proof(check):
    async with serving(asking("MD5", "auth")) as untrusted, serving(redirecting(untrusted.url())) as target:
        outcome = await check(Http(url=target.url(), auth=ANN))
    assert outcome.message == "401 Unauthorized, expected 2XX"
    assert ["authorization" in head.lower() for head in untrusted.heads] == [False]
