"""One-time codes and recovery codes: set up, switched off, and the second step of signing in with one."""

from litestar import Controller, Response, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from app.api.identity import login_response, second_factor
from app.api.identity.login_response import AnyRequest
from app.errors import Conflict, Invalid
from app.security.auth.policy import ANYONE, VIEWER
from app.security.credentials import totp
from app.store.identity import mfa, sessions
from schema.mfa import (
    RecoveryCodesWanted,
    TotpConfirmation,
    TotpSetup,
    TotpStart,
    TwoFactorLogin,
    TwoFactorOff,
    TwoFactorOn,
)
from schema.users import Principal, SignedIn


class TwoFactorController(Controller):
    """What is asked for beside the password."""

    path = "/auth/2fa"
    tags = ("Auth",)

    @post("/setup", operation_id="SetUpTotp", guards=[VIEWER], status_code=200)
    async def set_up(
        self, request: AnyRequest, principal: NamedDependency[Principal], data: JSONBody[TotpStart]
    ) -> TotpSetup:
        """Make a secret for an authenticator app. Nothing asks for its codes until one was verified."""
        account = await second_factor.reproved(request, principal, data.password)
        secret = await mfa.begin(account.id)
        uri = totp.uri(secret, account.email)
        return TotpSetup(secret=secret, otpauth_uri=uri, qr_svg=totp.qr(uri))

    @post("/verify", operation_id="VerifyTotp", guards=[VIEWER], status_code=200)
    async def verify(
        self, request: AnyRequest, principal: NamedDependency[Principal], data: JSONBody[TotpConfirmation]
    ) -> TwoFactorOn:
        """Ask for codes of the app from now on. Answers with ten recovery codes, and ends one's other sessions."""
        user_id = second_factor.person(principal)
        shown = await second_factor.judged(request, user_id, data.token, mfa.fit)
        if shown is None:
            raise Invalid.one("token", "must be the code that the app shows now")
        codes = await mfa.confirm(user_id, shown)
        await sessions.end_others(user_id, keep=principal.session_id)
        return TwoFactorOn(two_factor=await mfa.of(user_id), recovery_codes=codes)

    @post("/disable", operation_id="DisableTwoFactor", guards=[VIEWER], status_code=204)
    async def disable(
        self, request: AnyRequest, principal: NamedDependency[Principal], data: JSONBody[TwoFactorOff]
    ) -> None:
        """Forget app, passkeys and recovery codes. Ends one's other sessions."""
        account = await second_factor.reproved(request, principal, data.password)
        if not (await mfa.of(account.id)).enabled:
            raise Conflict("There is no second factor to switch off.")
        await second_factor.prove(request, account.id, data.token)
        await mfa.remove_all(account.id)
        await sessions.end_others(account.id, keep=principal.session_id)

    @post("/recovery-codes", operation_id="CreateRecoveryCodes", guards=[VIEWER], status_code=200)
    async def renew(
        self, request: AnyRequest, principal: NamedDependency[Principal], data: JSONBody[RecoveryCodesWanted]
    ) -> TwoFactorOn:
        """Make ten new recovery codes; the old ones are good for nothing."""
        account = await second_factor.reproved(request, principal, data.password)
        has = await mfa.of(account.id)
        if not has.enabled:
            raise Conflict("Recovery codes stand in for a second factor, and there is none.")
        if has.totp and not data.token:
            raise Invalid.one("token", "is required: a one-time or recovery code")
        if data.token:
            await second_factor.prove(request, account.id, data.token)
        codes = await mfa.renew_codes(account.id)
        return TwoFactorOn(two_factor=await mfa.of(account.id), recovery_codes=codes)

    @post("/login", operation_id="LoginWithCode", status_code=200, guards=[ANYONE], opt={"refusals": [401, 403]})
    async def login(self, request: AnyRequest, data: JSONBody[TwoFactorLogin]) -> Response[SignedIn]:
        """The second step with a code: the ticket of the first one stands for the password."""
        login_response.refuse_foreign(request)
        bearer = await second_factor.bearer_of(data.ticket)
        await second_factor.prove(request, bearer.account.id, data.token)
        return await second_factor.finish(request, bearer)
