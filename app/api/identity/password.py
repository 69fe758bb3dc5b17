"""One's own password over HTTP."""

from typing import Any

from litestar import Controller, Request, put
from litestar.di import NamedDependency
from litestar.params import JSONBody

from app.api.http import audit_trail
from app.errors import Forbidden, Invalid
from app.security.auth.policy import VIEWER
from app.security.credentials import common_passwords, passwords
from app.security.limits import brute_force
from app.security.limits.client_ip import address_of
from app.store.identity import user_admin, users
from schema.login_attempts import AuthMethod, CredentialKind
from schema.user_admin import PasswordChange
from schema.users import Principal


class OwnPasswordController(Controller):
    """One's own password."""

    path = "/auth/password"
    tags = ("Auth",)

    @put(operation_id="UpdatePassword", status_code=204, guards=[VIEWER])
    async def update_password(
        self,
        request: Request[Any, Any, Any],
        principal: NamedDependency[Principal],
        data: JSONBody[PasswordChange],
    ) -> None:
        """Change your own password. Your other sessions end; the current one stays.

        Your API keys stay valid, unless `keys` is `revoke`.
        """
        if principal.session_id is None:
            raise Forbidden(
                "Sign in first to change your password. API keys, Basic and the installation's token can't do this."
            )
        guess = (CredentialKind.PASSWORD, address_of(request), principal.username)
        await brute_force.refuse_if_locked(*guess, method=AuthMethod.OWN_PASSWORD)
        account = await users.find_by_login(principal.username)
        if account is None or not await passwords.matches(data.old_password, account.password_hash):
            await brute_force.record_failure(*guess, method=AuthMethod.OWN_PASSWORD)
            raise Invalid.for_field("old_password", "is not your current password")
        await brute_force.record_success(*guess)
        common_passwords.require_strong_password(
            data.new_password, account.username, account.email, field="new_password"
        )
        hashed = await passwords.hash_password(data.new_password)
        revoked = await user_admin.set_password(
            account.id, hashed, key_action=data.api_keys, keep_session=principal.session_id
        )
        audit_trail.trail_of(request).change["api_keys_revoked"] = revoked
