"""Passkeys over HTTP: registering, renaming and deleting them, and the second login step with one."""

from uuid import UUID

from litestar import Controller, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from app.api.http import audit_trail, pagination
from app.api.http.pagination import Limit, Page
from app.api.identity import second_factor
from app.api.identity.login_response import AnyRequest
from app.errors import Conflict, Unauthorized
from app.security.auth.policy import ANYONE, VIEWER
from app.security.auth.relying_party import PASSKEY_NOT_VERIFIED, relying_party_of
from app.security.limits import failed_logins
from app.security.limits.proxy_headers import address_of
from app.store.identity import mfa, passkeys, sessions, webauthn_challenges
from schema.login_attempts import AuthMethod
from schema.passkeys import (
    CreatedPasskey,
    Passkey,
    PasskeyDraft,
    PasskeyLogin,
    PasskeyLoginOptionsRequest,
    PasskeyOptions,
    PasskeyOptionsRequest,
    PasskeyPage,
    PasskeyPatch,
    Passkeys,
)
from schema.users import LoginResponse, Principal


class PasskeyController(Controller):
    """Passkeys as second factors, which can't be phished."""

    path = "/auth/passkeys"
    tags = ("Auth",)

    @post("/options", operation_id="CreatePasskeyOptions", guards=[VIEWER], status_code=200)
    async def create_passkey_options(
        self, request: AnyRequest, principal: NamedDependency[Principal], data: JSONBody[PasskeyOptionsRequest]
    ) -> PasskeyOptions:
        """Start registering a passkey. Returns the options for `navigator.credentials.create`."""
        from app.security.auth import webauthn  # noqa: PLC0415  # takes a tenth of a second, and only some use it

        account = await second_factor.verify_password(request, principal, data.password)
        party = relying_party_of(request)
        existing = await passkeys.list_keys(account.id)
        challenge = await webauthn_challenges.issue(account.id, "register")
        user = (account.id, account.email)
        return PasskeyOptions(public_key=webauthn.registration_options(party, user, existing, challenge))

    @post(operation_id="CreatePasskey", guards=[VIEWER])
    async def create_passkey(
        self, request: AnyRequest, principal: NamedDependency[Principal], data: JSONBody[PasskeyDraft]
    ) -> CreatedPasskey:
        """Store a new passkey. Ends your other sessions. With your first second factor you also get recovery codes."""
        from app.security.auth import webauthn  # noqa: PLC0415  # takes a tenth of a second, and only some use it

        user_id, party = second_factor.require_person(principal), relying_party_of(request)
        challenge = await webauthn_challenges.consume(user_id, "register")
        key = webauthn.verify_registration(party, data.credential, challenge)
        passkey, codes = await passkeys.create(user_id, data.name, party.rp_id, key)
        await sessions.end_others(user_id, except_id=principal.session_id)
        return CreatedPasskey(passkey=passkey, two_factor=await mfa.get_status(user_id), recovery_codes=codes)

    @get(operation_id="ListPasskeys", guards=[VIEWER])
    async def list_passkeys(
        self, principal: NamedDependency[Principal], page: Page = None, limit: Limit = None
    ) -> Passkeys | PasskeyPage:
        """List your passkeys, oldest first, paged when `page` or `limit` is given."""
        window, found = pagination.window_of(page, limit), await passkeys.list_for_user(principal.user_id)
        if window.page is None:
            return Passkeys(passkeys=found, total=len(found))
        data = found[window.offset : window.offset + window.limit]
        return PasskeyPage(data=data, pagination=pagination.page_info(window, len(found)))

    @patch("/{passkey_id:str}", operation_id="UpdatePasskey", guards=[VIEWER])
    async def update_passkey(
        self, principal: NamedDependency[Principal], passkey_id: FromPath[UUID], data: JSONBody[PasskeyPatch]
    ) -> Passkey:
        """Rename a passkey."""
        return await passkeys.rename(second_factor.require_person(principal), str(passkey_id), data.name)

    @delete("/{passkey_id:str}", operation_id="DeletePasskey", guards=[VIEWER], opt={"refusals": [409]})
    async def delete_passkey(
        self,
        request: AnyRequest,
        principal: NamedDependency[Principal],
        passkey_id: FromPath[UUID],
    ) -> None:
        """Delete a passkey, unless it is the last second factor. Ends your other sessions."""
        user_id = second_factor.require_person(principal)
        audit_trail.trail_of(request).record_deleted(await passkeys.delete(user_id, str(passkey_id)))
        await sessions.end_others(user_id, except_id=principal.session_id)

    @post(
        "/login/options",
        operation_id="CreatePasskeyLoginOptions",
        status_code=200,
        guards=[ANYONE],
        opt={"refusals": [401, 403]},
    )
    async def create_passkey_login_options(
        self, request: AnyRequest, data: JSONBody[PasskeyLoginOptionsRequest]
    ) -> PasskeyOptions:
        """Start the second login step with a passkey. Returns the options for `navigator.credentials.get`."""
        from app.security.auth import webauthn  # noqa: PLC0415  # takes a tenth of a second, and only some use it

        pending, party = await second_factor.read_mfa_token(data.mfa_token), relying_party_of(request)
        account = pending.account
        existing = await passkeys.list_keys(account.id, party.rp_id)
        if not existing:
            raise Conflict(f"This account has no passkey for {party.rp_id}.")
        challenge = await webauthn_challenges.issue(account.id, "sign-in")
        return PasskeyOptions(public_key=webauthn.authentication_options(party, existing, challenge))

    @post("/login", operation_id="LoginWithPasskey", status_code=200, guards=[ANYONE], opt={"refusals": [401, 403]})
    async def login_with_passkey(self, request: AnyRequest, data: JSONBody[PasskeyLogin]) -> Response[LoginResponse]:
        """Complete the login with a passkey. The `mfa_token` of the first step stands for the password."""
        from app.security.auth import webauthn  # noqa: PLC0415  # takes a tenth of a second, and only some use it

        pending, party = await second_factor.read_mfa_token(data.mfa_token), relying_party_of(request)
        challenge = await webauthn_challenges.consume(pending.account.id, "sign-in")
        existing = await passkeys.list_keys(pending.account.id, party.rp_id)
        key = next((one for one in existing if one.credential_id == data.credential.id.rstrip("=")), None)
        try:
            if key is None:
                raise Unauthorized(PASSKEY_NOT_VERIFIED)  # the same as for an invalid signature
            verified = webauthn.verify_authentication(party, data.credential, challenge, key)
        except Unauthorized:
            failed_logins.record_failed_login(AuthMethod.PASSKEY, address_of(request), pending.account.id)
            raise
        await passkeys.record_use(key, verified)
        return await second_factor.complete_login(request, pending)
