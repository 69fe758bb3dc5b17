"""Sign-in at an OpenID provider: code flow with PKCE, state and nonce (OpenID Connect Core 1.0, RFC 7636, RFC 9207).

Between the two requests the only state is a signed cookie in the browser that started the sign-in.
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
METADATA_TTL_S = 300.0  # how long a discovery document is cached
LEEWAY_S = 60  # clocks differ
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]
REQUIRED_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")
BAD_STATE = "This sign-in was not started here, or took too long. Start again."
PROVIDER_REFUSED = "The sign-in provider refused the sign-in"

_metadata: dict[str, tuple[float, dict[str, Any]]] = {}


async def start_sign_in(settings: Settings, callback: str, policy: EgressPolicy) -> tuple[str, str]:
    """The address to redirect the browser to, and the cookie to set. Raises Upstream."""
    async with oidc_client.open_provider(policy) as provider:
        metadata = await _provider_metadata(settings, provider)
    state, nonce, verifier = generate_token(32), generate_token(32), generate_token(64)
    url = prepare_grant_uri(
        metadata["authorization_endpoint"],
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
    """The claims of the user who returns from the provider. Raises Unauthorized, Upstream."""
    started = signed_tokens.read_token(TOKEN_KIND, cookie)
    if not hmac.compare_digest(started["state"].encode(), query.get("state", "").encode()):
        raise Unauthorized(BAD_STATE)
    async with oidc_client.open_provider(policy) as provider:
        metadata = await _provider_metadata(settings, provider)
        _check_issuer(metadata, query)
        if "code" not in query:
            raise Unauthorized(f"{PROVIDER_REFUSED}{_error_suffix(query)}.")
        tokens = await _exchange_code(settings, provider, metadata, (query["code"], callback, started["verifier"]))
        keys = await provider.get_json(metadata["jwks_uri"])
        claims = verify_id_token(tokens, keys, metadata["issuer"], settings.oidc_client_id, started["nonce"])
        return await _with_userinfo(settings, provider, metadata, claims, tokens)


def verify_id_token(
    tokens: Mapping[str, Any], keys: Mapping[str, Any], issuer: str, client_id: str, nonce: str
) -> dict[str, Any]:
    """The claims of an ID token, if it is signed by the provider, for this client, unexpired, and for this sign-in.

    raises  Unauthorized
    """
    try:
        key_set = KeySet.import_key_set(keys)  # type: ignore[arg-type]  # the library validates it
        registry = JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
        token = jwt.decode(str(tokens["id_token"]), key_set, registry=registry)
        required = {"iss": {"essential": True, "value": issuer}, "aud": {"essential": True, "value": client_id}}
        params = {"nonce": nonce, "client_id": client_id, "access_token": tokens.get("access_token")}
        claims = CodeIDToken(token.claims, token.header, required, params)
        claims.validate(leeway=LEEWAY_S)
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise Unauthorized("The sign-in provider's token is not valid for this sign-in.") from error
    return _require_storable(dict(claims))


def _require_storable(claims: dict[str, Any]) -> dict[str, Any]:
    """The claims unchanged. Raises Unauthorized if a text in them can't be stored in the database."""
    if unstorable_texts(claims):
        raise Unauthorized("The sign-in provider's claims contain the character U+0000 or half a surrogate pair.")
    return claims


async def _provider_metadata(settings: Settings, provider: OidcProvider) -> dict[str, Any]:
    """The provider's discovery document, at most METADATA_TTL_S old."""
    issuer = settings.oidc_issuer
    read_at, metadata = _metadata.get(issuer, (-METADATA_TTL_S, {}))
    if monotonic() - read_at < METADATA_TTL_S:
        return metadata
    metadata = await provider.get_json(get_well_known_url(issuer, external=True))
    if metadata.get("issuer") != issuer:
        raise Upstream("The sign-in provider's issuer is not OIDC_ISSUER.")
    for name in REQUIRED_ENDPOINTS:
        if urlsplit(str(metadata.get(name, ""))).scheme not in {"https", urlsplit(issuer).scheme}:
            raise Upstream(f"The sign-in provider's `{name}` is not an https address.")
    _metadata[issuer] = (monotonic(), metadata)
    return metadata


def _check_issuer(metadata: Mapping[str, Any], query: Mapping[str, str]) -> None:
    """RFC 9207: refuse a response whose `iss` is not the provider's. Optional unless the provider supports it."""
    default = None if metadata.get("authorization_response_iss_parameter_supported") else metadata["issuer"]
    if query.get("iss", default) != metadata["issuer"]:
        raise Unauthorized("This response is from another provider than the one that you signed in with.")


async def _exchange_code(
    settings: Settings, provider: OidcProvider, metadata: Mapping[str, Any], proof: tuple[str, str, str]
) -> dict[str, Any]:
    """Exchange a code for tokens. Raises Unauthorized.

    proof    code, callback address, PKCE verifier
    """
    code, callback, verifier = proof
    url = metadata["token_endpoint"]
    form = prepare_token_request("authorization_code", "", callback, code=code, code_verifier=verifier)
    _, headers, body = _client_auth(settings, metadata).prepare("POST", url, {}, form)
    tokens = await provider.post_form(url, body, headers)
    if "error" in tokens or "id_token" not in tokens:
        raise Unauthorized(f"{PROVIDER_REFUSED}{_error_suffix(tokens)}.")
    return tokens


def _client_auth(settings: Settings, metadata: Mapping[str, Any]) -> ClientAuth:
    """Our client authentication: by header if the provider allows it, else in the form; none without a secret."""
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
    """The claims, completed from the userinfo endpoint if needed (OpenID Connect Core 1.0, 5.3)."""
    wants_role = bool(settings.oidc_admin_values or settings.oidc_operator_values)
    is_complete = "email" in claims and (not wants_role or oidc_claims.has_claim(claims, settings.oidc_role_claim))
    if is_complete or "userinfo_endpoint" not in metadata or "access_token" not in tokens:
        return claims
    userinfo = await provider.get_json(metadata["userinfo_endpoint"], token=str(tokens["access_token"]))
    if userinfo.get("sub") != claims["sub"]:
        raise Unauthorized("The sign-in provider's user information is about another user.")
    return {**_require_storable(userinfo), **claims}


def _error_suffix(response: Mapping[str, Any]) -> str:
    """The provider's error code as a suffix, if it looks like one of the standard's."""
    code = str(response.get("error", ""))
    return f": {code}" if code.isascii() and code.replace("_", "").isalnum() and len(code) <= 40 else ""  # noqa: PLR2004  # longer than any standard code
