"""One-time codes and recovery codes over HTTP: setting up, disabling, and the second login step with a code."""

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
    DisableTwoFactor,
    RecoveryCodesRequest,
    TotpConfirmation,
    TotpSetup,
    TotpSetupRequest,
    TwoFactorEnabled,
    TwoFactorLogin,
)
from schema.users import LoginResponse, Principal


class TwoFactorController(Controller):
    """Second factors with codes."""

    path = "/auth/2fa"
    tags = ("Auth",)

    @post("/setup", operation_id="SetUpTotp", guards=[VIEWER], status_code=200)
    async def set_up_totp(
        self, request: AnyRequest, principal: NamedDependency[Principal], data: JSONBody[TotpSetupRequest]
    ) -> TotpSetup:
        """Create a secret for an authenticator app. Signing in needs a code only after you have verified one."""
        account = await second_factor.verify_password(request, principal, data.password)
        secret = await mfa.begin_setup(account.id)
        uri = totp.provisioning_uri(secret, account.email)
        return TotpSetup(secret=secret, otpauth_uri=uri, qr_svg=totp.qr_code_svg(uri))

    @post("/verify", operation_id="VerifyTotp", guards=[VIEWER], status_code=200)
    async def verify_totp(
        self, request: AnyRequest, principal: NamedDependency[Principal], data: JSONBody[TotpConfirmation]
    ) -> TwoFactorEnabled:
        """Verify a code of the app, and enable the factor. Returns ten recovery codes; ends your other sessions."""
        user_id = second_factor.require_person(principal)
        match = await second_factor.check_code(request, user_id, data.token, mfa.match_code)
        if match is None:
            raise Invalid.for_field("token", "must be the code that the app shows now")
        codes = await mfa.confirm_setup(user_id, match)
        await sessions.end_others(user_id, except_id=principal.session_id)
        return TwoFactorEnabled(two_factor=await mfa.get_status(user_id), recovery_codes=codes)

    @post("/disable", operation_id="DisableTwoFactor", guards=[VIEWER], status_code=204)
    async def disable_two_factor(
        self, request: AnyRequest, principal: NamedDependency[Principal], data: JSONBody[DisableTwoFactor]
    ) -> None:
        """Delete the app's secret, passkeys and recovery codes. Ends your other sessions."""
        account = await second_factor.verify_password(request, principal, data.password)
        if not (await mfa.get_status(account.id)).enabled:
            raise Conflict("Two-factor authentication is not enabled.")
        await second_factor.verify_code(request, account.id, data.token)
        await mfa.disable(account.id)
        await sessions.end_others(account.id, except_id=principal.session_id)

    @post("/recovery-codes", operation_id="CreateRecoveryCodes", guards=[VIEWER], status_code=200)
    async def create_recovery_codes(
        self, request: AnyRequest, principal: NamedDependency[Principal], data: JSONBody[RecoveryCodesRequest]
    ) -> TwoFactorEnabled:
        """Create ten new recovery codes; the old ones become invalid."""
        account = await second_factor.verify_password(request, principal, data.password)
        status = await mfa.get_status(account.id)
        if not status.enabled:
            raise Conflict("Enable two-factor authentication before you create recovery codes.")
        if status.totp and not data.token:
            raise Invalid.for_field("token", "is required: a one-time or recovery code")
        if data.token:
            await second_factor.verify_code(request, account.id, data.token)
        codes = await mfa.renew_recovery_codes(account.id)
        return TwoFactorEnabled(two_factor=await mfa.get_status(account.id), recovery_codes=codes)

    @post("/login", operation_id="LoginWithCode", status_code=200, guards=[ANYONE], opt={"refusals": [401, 403]})
    async def login_with_code(self, request: AnyRequest, data: JSONBody[TwoFactorLogin]) -> Response[LoginResponse]:
        """Complete the login with a code. The `mfa_token` of the first step stands for the password."""
        login_response.refuse_foreign_origin(request)
        pending = await second_factor.read_mfa_token(data.mfa_token)
        await second_factor.verify_code(request, pending.account.id, data.token)
        return await second_factor.complete_login(request, pending)
