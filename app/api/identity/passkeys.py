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
from app.security.auth.relying_party import WRONG, site_of
from app.security.limits import failed_logins
from app.security.limits.client_ip import address_of
from app.store.identity import mfa, passkeys, sessions, webauthn_challenges
from schema.login_attempts import Way
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
from schema.users import Principal, SignedIn


class PasskeyController(Controller):
    """Second factors that nobody can type, and nobody can be talked out of."""

    path = "/auth/passkeys"
    tags = ("Auth",)

    @post("/options", operation_id="CreatePasskeyOptions", guards=[VIEWER], status_code=200)
    async def prepare(
        self, request: AnyRequest, principal: NamedDependency[Principal], data: JSONBody[PasskeyStart]
    ) -> PasskeyOptions:
        """Begin to register a passkey: what the browser needs for `navigator.credentials.create`."""
        from app.security.auth import webauthn  # noqa: PLC0415  # a tenth of a second, for whoever has passkeys

        account = await second_factor.reproved(request, principal, data.password)
        site = site_of(request)
        there = await passkeys.keys(account.id)
        challenge = await webauthn_challenges.issue(account.id, "register")
        user = (account.id, account.email)
        return PasskeyOptions(public_key=webauthn.creation(site, user, there, challenge))

    @post(operation_id="CreatePasskey", guards=[VIEWER])
    async def add(
        self, request: AnyRequest, principal: NamedDependency[Principal], data: JSONBody[PasskeyDraft]
    ) -> PasskeyAdded:
        """Keep what the authenticator made. Ends one's other sessions; the first factor comes with recovery codes."""
        from app.security.auth import webauthn  # noqa: PLC0415  # a tenth of a second, for whoever has passkeys

        user_id, site = second_factor.person(principal), site_of(request)
        key = webauthn.registered(site, data.credential, await webauthn_challenges.take(user_id, "register"))
        passkey, codes = await passkeys.add(user_id, data.name, site.rp_id, key)
        await sessions.end_others(user_id, keep=principal.session_id)
        return PasskeyAdded(passkey=passkey, two_factor=await mfa.of(user_id), recovery_codes=codes)

    @get(operation_id="ListPasskeys", guards=[VIEWER])
    async def browse(
        self, principal: NamedDependency[Principal], page: Page = None, limit: Limit = None
    ) -> Passkeys | PasskeyPage:
        """List one's passkeys, oldest first, paged when `page` or `limit` is given."""
        window, found = pagination.window_of(page, limit), await passkeys.of(principal.user_id)
        if window.page is None:
            return Passkeys(passkeys=found, total=len(found))
        part = found[window.skip : window.skip + window.limit]
        return PasskeyPage(data=part, pagination=pagination.numbers(window, len(found)))

    @patch("/{passkey_id:str}", operation_id="UpdatePasskey", guards=[VIEWER])
    async def rename(
        self, principal: NamedDependency[Principal], passkey_id: FromPath[UUID], data: JSONBody[PasskeyPatch]
    ) -> Passkey:
        """Give a passkey another name."""
        return await passkeys.rename(second_factor.person(principal), str(passkey_id), data.name)

    @delete("/{passkey_id:str}", operation_id="DeletePasskey", guards=[VIEWER], opt={"refusals": [409]})
    async def remove(self, principal: NamedDependency[Principal], passkey_id: FromPath[UUID]) -> None:
        """Forget a passkey, unless it is the last second factor. Ends one's other sessions."""
        user_id = second_factor.person(principal)
        await passkeys.remove(user_id, str(passkey_id))
        await sessions.end_others(user_id, keep=principal.session_id)

    @post(
        "/login/options",
        operation_id="CreatePasskeyLoginOptions",
        status_code=200,
        guards=[ANYONE],
        opt={"refusals": [401, 403]},
    )
    async def prepare_login(self, request: AnyRequest, data: JSONBody[PasskeyLoginStart]) -> PasskeyOptions:
        """Begin the second step: what the browser needs for `navigator.credentials.get`."""
        from app.security.auth import webauthn  # noqa: PLC0415  # a tenth of a second, for whoever has passkeys

        bearer, site = await second_factor.bearer_of(data.ticket), site_of(request)
        account = bearer.account
        there = await passkeys.keys(account.id, site.rp_id)
        if not there:
            raise Conflict(f"There is no passkey for {site.rp_id}.")
        challenge = await webauthn_challenges.issue(account.id, "sign-in")
        return PasskeyOptions(public_key=webauthn.request(site, there, challenge))

    @post("/login", operation_id="LoginWithPasskey", status_code=200, guards=[ANYONE], opt={"refusals": [401, 403]})
    async def login(self, request: AnyRequest, data: JSONBody[PasskeyLogin]) -> Response[SignedIn]:
        """The second step with a passkey: the ticket of the first one stands for the password."""
        from app.security.auth import webauthn  # noqa: PLC0415  # a tenth of a second, for whoever has passkeys

        bearer, site = await second_factor.bearer_of(data.ticket), site_of(request)
        challenge = await webauthn_challenges.take(bearer.account.id, "sign-in")
        there = await passkeys.keys(bearer.account.id, site.rp_id)
        key = next((one for one in there if one.credential_id == data.credential.id.rstrip("=")), None)
        try:
            if key is None:
                raise Unauthorized(WRONG)  # the same as a signature that does not fit
            used = webauthn.proven(site, data.credential, challenge, key)
        except Unauthorized:
            failed_logins.note(Way.PASSKEY, address_of(request), bearer.account.id)
            raise
        await passkeys.used(key, used)
        return await second_factor.finish(request, bearer)
