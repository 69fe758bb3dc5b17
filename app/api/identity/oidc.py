"""Signing in with an OpenID Connect provider: the redirect to it and the callback from it."""

import secrets
from typing import Annotated

from litestar import Controller, Response, get
from litestar.datastructures import Cookie
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter
from litestar.response import Redirect

from app.api.http import audit_actions, audit_trail, query_params, rate_limits
from app.api.identity.login_response import AnyRequest, start_session
from app.domain.identity import oidc_claims
from app.errors import NotFound, Unauthorized
from app.security.auth import cookies, principals
from app.security.auth.policy import ANYONE
from app.security.credentials import passwords
from app.security.limits import failed_logins
from app.security.limits.proxy_headers import address_of
from app.settings import Settings
from app.store.identity import oidc_identities, users
from app.store.system import settings
from schema.login_attempts import AuthMethod
from schema.users import LoginResponse

COOKIE, OIDC_PATH = "oidc_sign_in", "/api/v1/auth/oidc"
JSON = "application/json"
EGRESS_SETTING = "egress.oauth"  # the setting with the networks of providers
Code = Annotated[str | None, QueryParameter(description="The value that the provider sent, of any length.")]
StateParameter = Annotated[
    str | None, QueryParameter(name="state", description="The value that was sent to the provider.")
]


class OidcController(Controller):
    """Signing in with an account at an OpenID Connect provider."""

    path = "/auth/oidc"
    tags = ("Auth",)
    guards = (ANYONE,)
    opt = {rate_limits.RATE: rate_limits.AUTH}  # noqa: RUF012  # Litestar's

    @get("/start", operation_id="StartOidcLogin", status_code=302, opt={"refusals": [404, 502]})
    async def start_oidc_login(self, request: AnyRequest) -> Redirect:
        """Redirect the browser to the provider that OIDC_ISSUER names."""
        from app.security.credentials import oidc  # noqa: PLC0415  # takes a third of a second, and only some use it

        app_settings = _require_settings(request)
        url, sign_in_token = await oidc.start_sign_in(
            app_settings, _callback_url(request, app_settings), await settings.get_value(EGRESS_SETTING)
        )
        return Redirect(url, status_code=302, cookies=[_cookie(request, sign_in_token, oidc.LIFETIME_S)])

    @get(
        "/callback",
        operation_id="FinishOidcLogin",
        status_code=302,
        opt={"refusals": [401, 403, 404, 409, 502], query_params.ANY_PARAMETER: True, audit_actions.AUDITED: True},
        responses={
            200: ResponseSpec(
                LoginResponse, description="Signed in. Sent to callers that accept JSON rather than HTML."
            )
        },
    )
    async def finish_oidc_login(
        self, request: AnyRequest, code: Code = None, returned_state: StateParameter = None
    ) -> Response[LoginResponse | None]:
        """Finish signing in with the provider. Sets the cookie `session_id`, and redirects to CLIENT_URL.

        A browser that has finished already, in another tab or by an earlier request, is only redirected.
        """
        from app.security.credentials import oidc  # noqa: PLC0415  # takes a third of a second, and only some use it

        del code, returned_state  # declared for the document; a provider may send others, and all are checked together
        app_settings = _require_settings(request)
        callback_url = _callback_url(request, app_settings)
        sign_in_token = cookies.cookie_value(request, COOKIE)
        if sign_in_token is None and await _is_signed_in_browser(request):
            return Redirect(app_settings.client_url, status_code=302)
        query = {name: text for name, text in request.query_params.multi_items()}  # noqa: C416  # of several, the last
        try:
            if sign_in_token is None:
                raise Unauthorized(oidc.BAD_STATE)  # the same as for a foreign cookie
            egress = await settings.get_value(EGRESS_SETTING)
            claims = await oidc.complete_sign_in(app_settings, callback_url, sign_in_token, query, egress)
        except Unauthorized:
            failed_logins.record_failed_login(AuthMethod.OIDC, address_of(request))
            raise
        login = await start_session(request, await users.get(await _sign_in_or_create(app_settings, claims)))
        new_cookies = [*login.cookies, _cookie(request, "", 0)]
        if JSON in request.headers.get("Accept", ""):
            return Response(login.content, status_code=200, cookies=new_cookies)
        return Redirect(app_settings.client_url, status_code=302, cookies=new_cookies)


def _require_settings(request: AnyRequest) -> Settings:
    app_settings: Settings = request.app.state.settings
    if not app_settings.oidc_issuer:
        raise NotFound("Signing in with a provider is not configured. Set OIDC_ISSUER.")
    return app_settings


async def _is_signed_in_browser(request: AnyRequest) -> bool:
    """Whether a browser returns with our session cookie. The redirect then changes nothing, whoever caused it."""
    if JSON in request.headers.get("Accept", "") or cookies.cookie_value(request, principals.SESSION_COOKIE) is None:
        return False
    try:
        principal = await principals.resolve_principal(request)
    except Unauthorized:
        return False
    audit_trail.trail_of(request).change["repeated"] = True
    return principal is not None


def _callback_url(request: AnyRequest, app_settings: Settings) -> str:
    """Our callback address, as the provider knows it."""
    return app_settings.oidc_redirect_url or f"{request.url.scheme}://{request.url.netloc}{OIDC_PATH}/callback"


def _cookie(request: AnyRequest, value: str, lifetime_s: int) -> Cookie:
    return cookies.make_cookie(request, COOKIE, value, max_age=lifetime_s, httponly=True)


async def _sign_in_or_create(app_settings: Settings, claims: dict[str, object]) -> str:
    """The id of the user with these claims, created when the settings allow it."""
    role = oidc_claims.role_from_claims(
        claims, app_settings.oidc_role_claim, app_settings.oidc_admin_values, app_settings.oidc_operator_values
    )
    person = oidc_claims.user_from_claims(claims, role)
    unused_hash = await passwords.hash_password(secrets.token_urlsafe(32))
    return await oidc_identities.sign_in_or_create(
        person, may_create=app_settings.oidc_auto_create, spare_hash=unused_hash
    )
