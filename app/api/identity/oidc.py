"""Signing in at an OpenID provider: there, and back again."""

import secrets
from typing import Annotated

from litestar import Controller, Response, get
from litestar.datastructures import Cookie
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter
from litestar.response import Redirect

from app.api.http import audit_actions, query_params, rate_limits
from app.api.identity.login_response import AnyRequest, start_session
from app.domain.identity import oidc_claims
from app.errors import NotFound, Unauthorized
from app.security.auth import cookies
from app.security.auth.policy import ANYONE
from app.security.credentials import passwords
from app.security.limits import failed_logins
from app.security.limits.client_ip import address_of
from app.settings import Settings
from app.store.identity import oidc_identities, users
from app.store.system import settings as stored
from schema.login_attempts import AuthMethod
from schema.users import LoginResponse

COOKIE, OIDC_PATH = "oidc_sign_in", "/api/v1/auth/oidc"
JSON = "application/json"
EGRESS_SETTING = "egress.oauth"  # the setting that says where providers may be
Code = Annotated[str | None, QueryParameter(description="As the provider sends it, however long it is.")]
StateParameter = Annotated[str | None, QueryParameter(name="state", description="As it was sent to the provider.")]


class OidcController(Controller):
    """Signing in with an account that one has elsewhere."""

    path = "/auth/oidc"
    tags = ("Auth",)
    guards = (ANYONE,)
    opt = {rate_limits.RATE: rate_limits.AUTH}  # noqa: RUF012  # Litestar's

    @get("/start", operation_id="StartOidc", status_code=302, opt={"refusals": [404, 502]})
    async def start_oidc(self, request: AnyRequest) -> Redirect:
        """Send the browser to the provider that OIDC_ISSUER names."""
        from app.security.credentials import oidc  # noqa: PLC0415  # a third of a second of every start, for whoever has a provider

        settings = _require_settings(request)
        url, word = await oidc.start_sign_in(
            settings, _callback_url(request, settings), await stored.get_value(EGRESS_SETTING)
        )
        return Redirect(url, status_code=302, cookies=[_cookie(request, word, oidc.LIFETIME_S)])

    @get(
        "/callback",
        operation_id="FinishOidc",
        status_code=302,
        opt={"refusals": [401, 403, 404, 409, 502], query_params.ANY_PARAMETER: True, audit_actions.AUDITED: True},
        responses={
            200: ResponseSpec(LoginResponse, description="Signed in, for callers that accept JSON rather than HTML.")
        },
    )
    async def finish_oidc(
        self, request: AnyRequest, code: Code = None, came_with: StateParameter = None
    ) -> Response[LoginResponse | None]:
        """Come back from the provider: signs in, and goes on to CLIENT_URL with the cookie `session_id`."""
        from app.security.credentials import oidc  # noqa: PLC0415  # a third of a second of every start, for whoever has a provider

        del code, came_with  # the document shows them; a provider may send others, and all are judged together
        settings = _require_settings(request)
        word = cookies.cookie_value(request, COOKIE)
        query = {name: text for name, text in request.query_params.multi_items()}  # noqa: C416  # of several, the last
        try:
            if word is None:
                raise Unauthorized(oidc.BAD_STATE)  # the same as a cookie of somebody else's
            told = await oidc.complete_sign_in(
                settings, _callback_url(request, settings), word, query, await stored.get_value(EGRESS_SETTING)
            )
        except Unauthorized:
            failed_logins.record_failed_login(AuthMethod.OIDC, address_of(request))
            raise
        signed_in = await start_session(request, await users.get(await _sign_in_or_create(settings, told)))
        given = [*signed_in.cookies, _cookie(request, "", 0)]
        if JSON in request.headers.get("Accept", ""):
            return Response(signed_in.content, status_code=200, cookies=given)
        return Redirect(settings.client_url, status_code=302, cookies=given)


def _require_settings(request: AnyRequest) -> Settings:
    settings: Settings = request.app.state.settings
    if not settings.oidc_issuer:
        raise NotFound("Signing in with a provider is not set up here: OIDC_ISSUER is not set.")
    return settings


def _callback_url(request: AnyRequest, settings: Settings) -> str:
    """Our address as the provider knows it."""
    return settings.oidc_redirect_url or f"{request.url.scheme}://{request.url.netloc}{OIDC_PATH}/callback"


def _cookie(request: AnyRequest, value: str, lives_s: int) -> Cookie:
    return cookies.make_cookie(request, COOKIE, value, max_age=lives_s, httponly=True)


async def _sign_in_or_create(settings: Settings, told: dict[str, object]) -> str:
    role = oidc_claims.role_from_claims(
        told, settings.oidc_role_claim, settings.oidc_admin_values, settings.oidc_operator_values
    )
    person = oidc_claims.user_from_claims(told, role)
    spare = await passwords.hash_password(secrets.token_urlsafe(32))
    return await oidc_identities.sign_in_or_create(person, may_create=settings.oidc_auto_create, spare_hash=spare)
