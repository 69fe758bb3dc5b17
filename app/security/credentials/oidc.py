"""Signing in at an OpenID provider: code flow with PKCE, state and nonce (OpenID Connect Core 1.0, RFC 7636, RFC 9207).

Nothing is kept between the two requests but a signed cookie with the browser that began.
"""

import hmac
from collections.abc import Mapping
from time import monotonic
from typing import Any
from urllib.parse import quote_plus, urlsplit

from authlib.common.security import generate_token
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from authlib.oidc.discovery import get_well_known_url
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from app.domain.identity import oidc_claims
from app.domain.validation.structs import unstorable_texts
from app.errors import Unauthorized, Upstream
from app.security.credentials import oidc_client
from app.security.credentials.oidc_client import OidcProvider
from app.security.secrets import signed_tokens
from app.settings import Settings
from schema.settings import EgressPolicy

TOKEN_KIND, LIFETIME_S = "oidc", 600  # time to type a password elsewhere
METADATA_TTL_S = 300.0  # how long a discovery document is believed
LEEWAY_S = 60  # clocks differ
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]
REQUIRED_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")
BAD_STATE = "This sign-in was not begun here, or took too long: begin again."
PROVIDER_REFUSED = "The sign-in provider said no"

_metadata: dict[str, tuple[float, dict[str, Any]]] = {}


async def start_sign_in(settings: Settings, callback: str, policy: EgressPolicy) -> tuple[str, str]:
    """Where to send the browser, and the cookie it takes along. Raises Upstream."""
    async with oidc_client.open_provider(policy) as asked:
        about = await _provider_metadata(settings, asked)
    state, nonce, verifier = generate_token(32), generate_token(32), generate_token(64)
    url = prepare_grant_uri(
        about["authorization_endpoint"],
        settings.oidc_client_id,
        "code",
        callback,
        settings.oidc_scopes,
        state,
        nonce=nonce,
        code_challenge=create_s256_code_challenge(verifier),
        code_challenge_method="S256",
    )
    return str(url), signed_tokens.issue_token(TOKEN_KIND, LIFETIME_S, state=state, nonce=nonce, verifier=verifier)


async def complete_sign_in(
    settings: Settings, callback: str, cookie: str, query: Mapping[str, str], policy: EgressPolicy
) -> dict[str, Any]:
    """The claims of whoever comes back. Raises Unauthorized, Upstream."""
    begun = signed_tokens.read_token(TOKEN_KIND, cookie)
    if not hmac.compare_digest(begun["state"].encode(), query.get("state", "").encode()):
        raise Unauthorized(BAD_STATE)
    async with oidc_client.open_provider(policy) as asked:
        about = await _provider_metadata(settings, asked)
        _check_issuer(about, query)
        if "code" not in query:
            raise Unauthorized(f"{PROVIDER_REFUSED}{_error_suffix(query)}.")
        told = await _exchange_code(settings, asked, about, (query["code"], callback, begun["verifier"]))
        keys = await asked.get_json(about["jwks_uri"])
        found = verify_id_token(told, keys, about["issuer"], settings.oidc_client_id, begun["nonce"])
        return await _with_userinfo(settings, asked, about, found, told)


def verify_id_token(
    tokens: Mapping[str, Any], keys: Mapping[str, Any], issuer: str, client_id: str, nonce: str
) -> dict[str, Any]:
    """The claims of an ID token that is signed by the provider, for us, now, and for this sign-in.

    raises  Unauthorized
    """
    try:
        key_set = KeySet.import_key_set(keys)  # type: ignore[arg-type]  # whatever it is, it is checked
        registry = JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
        token = jwt.decode(str(tokens["id_token"]), key_set, registry=registry)
        wanted = {"iss": {"essential": True, "value": issuer}, "aud": {"essential": True, "value": client_id}}
        params = {"nonce": nonce, "client_id": client_id, "access_token": tokens.get("access_token")}
        found = CodeIDToken(token.claims, token.header, wanted, params)
        found.validate(leeway=LEEWAY_S)
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise Unauthorized("The sign-in provider's token is not valid for this sign-in.") from error
    return _require_storable(dict(found))


def _require_storable(claims: dict[str, Any]) -> dict[str, Any]:
    """The claims themselves. Raises Unauthorized when a text in them is none that a database can keep."""
    if unstorable_texts(claims):
        raise Unauthorized("The sign-in provider's claims hold the character U+0000, or half a surrogate pair.")
    return claims


async def _provider_metadata(settings: Settings, provider: OidcProvider) -> dict[str, Any]:
    """The provider's own description, at most METADATA_S old."""
    issuer = settings.oidc_issuer
    read_at, about = _metadata.get(issuer, (-METADATA_TTL_S, {}))
    if monotonic() - read_at < METADATA_TTL_S:
        return about
    about = await provider.get_json(get_well_known_url(issuer, external=True))
    if about.get("issuer") != issuer:
        raise Upstream("The sign-in provider calls itself by another name than OIDC_ISSUER.")
    for name in REQUIRED_ENDPOINTS:
        if urlsplit(str(about.get(name, ""))).scheme not in {"https", urlsplit(issuer).scheme}:
            raise Upstream(f"The sign-in provider's `{name}` is no address to be trusted.")
    _metadata[issuer] = (monotonic(), about)
    return about


def _check_issuer(metadata: Mapping[str, Any], query: Mapping[str, str]) -> None:
    """RFC 9207: an answer says whose it is, when its provider does so at all."""
    usual = None if metadata.get("authorization_response_iss_parameter_supported") else metadata["issuer"]
    if query.get("iss", usual) != metadata["issuer"]:
        raise Unauthorized("This answer is from another provider than the one that was asked.")


async def _exchange_code(
    settings: Settings, provider: OidcProvider, metadata: Mapping[str, Any], proof: tuple[str, str, str]
) -> dict[str, Any]:
    """Tokens for a code. Raises Unauthorized."""
    code, callback, verifier = proof
    url = metadata["token_endpoint"]
    form = prepare_token_request("authorization_code", "", callback, code=code, code_verifier=verifier)
    _, headers, body = _client_auth(settings, metadata).prepare("POST", url, {}, form)
    told = await provider.post_form(url, body, headers)
    if "error" in told or "id_token" not in told:
        raise Unauthorized(f"{PROVIDER_REFUSED}{_error_suffix(told)}.")
    return told


def _client_auth(settings: Settings, metadata: Mapping[str, Any]) -> ClientAuth:
    """How we say who we are: by header unless the provider wants it in the form, or by nothing without a secret."""
    client, secret = settings.oidc_client_id, settings.oidc_client_secret
    if not secret:
        return ClientAuth(client, "", "none")
    if "client_secret_basic" in metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"]):
        return ClientAuth(quote_plus(client), quote_plus(secret), "client_secret_basic")  # RFC 6749, 2.3.1
    return ClientAuth(client, secret, "client_secret_post")


async def _with_userinfo(
    settings: Settings,
    provider: OidcProvider,
    metadata: Mapping[str, Any],
    claims: dict[str, Any],
    tokens: Mapping[str, Any],
) -> dict[str, Any]:
    """The claims, with those that the provider tells only when asked (OpenID Connect Core 1.0, 5.3)."""
    wants_role = bool(settings.oidc_admin_values or settings.oidc_operator_values)
    is_whole = "email" in claims and (not wants_role or oidc_claims.has_claim(claims, settings.oidc_role_claim))
    if is_whole or "userinfo_endpoint" not in metadata or "access_token" not in tokens:
        return claims
    more = await provider.get_json(metadata["userinfo_endpoint"], token=str(tokens["access_token"]))
    if more.get("sub") != claims["sub"]:
        raise Unauthorized("The sign-in provider spoke of somebody else.")
    return {**_require_storable(more), **claims}


def _error_suffix(response: Mapping[str, Any]) -> str:
    """A provider's error, if it is a plain word of the standard's."""
    word = str(response.get("error", ""))
    return f": {word}" if word.isascii() and word.replace("_", "").isalnum() and len(word) <= 40 else ""  # noqa: PLR2004  # a word
