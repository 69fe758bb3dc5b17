"""An ID token is believed when everything about it is right."""

import hmac
from base64 import urlsafe_b64encode
from hashlib import sha256
from time import time
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from app.errors import Unauthorized
from app.security.credentials import oidc

ISSUER, CLIENT, NONCE = "https://login.example.org/", "watchkeeper", "of this sign-in"
KEY = RSAKey.generate_key(2048, {"kid": "one"})
KEYS: dict[str, Any] = {"keys": [KEY.as_dict(private=False)]}


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time())
    usual = {"iss": ISSUER, "sub": "ada", "aud": CLIENT, "iat": now, "exp": now + 60, "nonce": NONCE}
    return {name: value for name, value in {**usual, **changes}.items() if value is not None}


def signed(key: Any = KEY, alg: str = "RS256", **changes: Any) -> str:
    return jwt.encode({"alg": alg, "kid": "one"}, claims(**changes), key, algorithms=[alg])


def part(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def verified(token: str) -> dict[str, Any]:
    return oidc.verify_id_token({"id_token": token}, KEYS, ISSUER, CLIENT, NONCE)


def test_a_token_for_us_now_and_for_this_sign_in_is_believed() -> None:
    assert verified(signed())["sub"] == "ada"
    assert verified(signed(aud=[CLIENT, "another"], azp=CLIENT))["sub"] == "ada"


@pytest.mark.parametrize(
    "wrong",
    [
        {"iss": "https://login.example.org"},
        {"aud": "another"},
        {"aud": ["another"]},
        {"azp": "another"},
        {"nonce": "of another sign-in"},
        {"nonce": None},
        {"sub": None},
        {"exp": None},
        {"exp": 1},
        {"nbf": 4_000_000_000},
        {"sub": "a\0b"},
        {"realm": {"roles": ["a\0b"]}},
    ],
    ids=str,
)
def test_a_token_with_a_wrong_claim_is_not(wrong: dict[str, Any]) -> None:
    with pytest.raises(Unauthorized):
        verified(signed(**wrong))


def test_a_token_of_another_key_is_not() -> None:
    with pytest.raises(Unauthorized):
        verified(signed(RSAKey.generate_key(2048, {"kid": "one"})))


def test_a_token_signed_with_a_shared_secret_or_not_at_all_is_not() -> None:
    claims_part = signed().split(".")[1]
    text = part(b'{"alg":"HS256","kid":"one"}') + "." + claims_part
    confused = hmac.new(KEY.as_pem(private=False), text.encode(), sha256).digest()  # a public key taken for a secret
    for token in (f"{text}.{part(confused)}", part(b'{"alg":"none"}') + f".{claims_part}.", "", "a.b.c"):
        with pytest.raises(Unauthorized):
            verified(token)
