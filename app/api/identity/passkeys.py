"""Passkeys: registered, named, removed, and the second step of signing in with one."""

from uuid import UUID

from litestar import Controller, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from app.api.http import pagination
from app.api.http.pagination import Limit, Page
from app.api.identity import second_factor
from app.api.identity.login_response import AnyRequest
from app.errors import Conflict, Unauthorized
from app.security.auth.policy import ANYONE, VIEWER
from app.security.auth.relying_party import PASSKEY_NOT_VERIFIED, relying_party_of
from app.security.limits import failed_logins
from app.security.limits.client_ip import address_of
from app.store.identity import mfa, passkeys, sessions, webauthn_challenges
from schema.login_attempts import AuthMethod
from schema.passkeys import (
    Passkey,
    PasskeyAdded,
    PasskeyDraft,
    PasskeyLogin,
    PasskeyLoginStart,
    PasskeyOptions,
    PasskeyPage,
    PasskeyPatch,
    Passkeys,
    PasskeyStart,
)
from schema.users import LoginResponse, Principal


class PasskeyController(Controller):
    """Second factors that nobody can type, and nobody can be talked out of."""

    path = "/auth/passkeys"
    tags = ("Auth",)

    @post("/options", operation_id="CreatePasskeyOptions", guards=[VIEWER], status_code=200)
    async def create_passkey_options(
        self, request: AnyRequest, principal: NamedDependency[Principal], data: JSONBody[PasskeyStart]
    ) -> PasskeyOptions:
        """Begin to register a passkey: what the browser needs for `navigator.credentials.create`."""
        from app.security.auth import webauthn  # noqa: PLC0415  # a tenth of a second, for whoever has passkeys

        account = await second_factor.verify_password(request, principal, data.password)
        site = relying_party_of(request)
        there = await passkeys.list_keys(account.id)
        challenge = await webauthn_challenges.issue(account.id, "register")
        user = (account.id, account.email)
        return PasskeyOptions(public_key=webauthn.registration_options(site, user, there, challenge))

    @post(operation_id="CreatePasskey", guards=[VIEWER])
    async def create_passkey(
        self, request: AnyRequest, principal: NamedDependency[Principal], data: JSONBody[PasskeyDraft]
    ) -> PasskeyAdded:
        """Keep what the authenticator made. Ends one's other sessions; the first factor comes with recovery codes."""
        from app.security.auth import webauthn  # noqa: PLC0415  # a tenth of a second, for whoever has passkeys

        user_id, site = second_factor.require_person(principal), relying_party_of(request)
        key = webauthn.verify_registration(
            site, data.credential, await webauthn_challenges.consume(user_id, "register")
        )
        passkey, codes = await passkeys.create(user_id, data.name, site.rp_id, key)
        await sessions.end_others(user_id, except_id=principal.session_id)
        return PasskeyAdded(passkey=passkey, two_factor=await mfa.get_status(user_id), recovery_codes=codes)

    @get(operation_id="ListPasskeys", guards=[VIEWER])
    async def list_passkeys(
        self, principal: NamedDependency[Principal], page: Page = None, limit: Limit = None
    ) -> Passkeys | PasskeyPage:
        """List one's passkeys, oldest first, paged when `page` or `limit` is given."""
        window, found = pagination.window_of(page, limit), await passkeys.list_for_user(principal.user_id)
        if window.page is None:
            return Passkeys(passkeys=found, total=len(found))
        part = found[window.offset : window.offset + window.limit]
        return PasskeyPage(data=part, pagination=pagination.page_info(window, len(found)))

    @patch("/{passkey_id:str}", operation_id="UpdatePasskey", guards=[VIEWER])
    async def update_passkey(
        self, principal: NamedDependency[Principal], passkey_id: FromPath[UUID], data: JSONBody[PasskeyPatch]
    ) -> Passkey:
        """Give a passkey another name."""
        return await passkeys.rename(second_factor.require_person(principal), str(passkey_id), data.name)

    @delete("/{passkey_id:str}", operation_id="DeletePasskey", guards=[VIEWER], opt={"refusals": [409]})
    async def delete_passkey(self, principal: NamedDependency[Principal], passkey_id: FromPath[UUID]) -> None:
        """Forget a passkey, unless it is the last second factor. Ends one's other sessions."""
        user_id = second_factor.require_person(principal)
        await passkeys.delete(user_id, str(passkey_id))
        await sessions.end_others(user_id, except_id=principal.session_id)

    @post(
        "/login/options",
        operation_id="CreatePasskeyLoginOptions",
        status_code=200,
        guards=[ANYONE],
        opt={"refusals": [401, 403]},
    )
    async def create_passkey_login_options(
        self, request: AnyRequest, data: JSONBody[PasskeyLoginStart]
    ) -> PasskeyOptions:
        """Begin the second step: what the browser needs for `navigator.credentials.get`."""
        from app.security.auth import webauthn  # noqa: PLC0415  # a tenth of a second, for whoever has passkeys

        bearer, site = await second_factor.read_mfa_token(data.ticket), relying_party_of(request)
        account = bearer.account
        there = await passkeys.list_keys(account.id, site.rp_id)
        if not there:
            raise Conflict(f"There is no passkey for {site.rp_id}.")
        challenge = await webauthn_challenges.issue(account.id, "sign-in")
        return PasskeyOptions(public_key=webauthn.authentication_options(site, there, challenge))

    @post("/login", operation_id="LoginWithPasskey", status_code=200, guards=[ANYONE], opt={"refusals": [401, 403]})
    async def login_with_passkey(self, request: AnyRequest, data: JSONBody[PasskeyLogin]) -> Response[LoginResponse]:
        """The second step with a passkey: the ticket of the first one stands for the password."""
        from app.security.auth import webauthn  # noqa: PLC0415  # a tenth of a second, for whoever has passkeys

        bearer, site = await second_factor.read_mfa_token(data.ticket), relying_party_of(request)
        challenge = await webauthn_challenges.consume(bearer.account.id, "sign-in")
        there = await passkeys.list_keys(bearer.account.id, site.rp_id)
        key = next((one for one in there if one.credential_id == data.credential.id.rstrip("=")), None)
        try:
            if key is None:
                raise Unauthorized(PASSKEY_NOT_VERIFIED)  # the same as a signature that does not fit
            used = webauthn.verify_authentication(site, data.credential, challenge, key)
        except Unauthorized:
            failed_logins.record_failed_login(AuthMethod.PASSKEY, address_of(request), bearer.account.id)
            raise
        await passkeys.record_use(key, used)
        return await second_factor.complete_login(request, bearer)
