"""OpenID Connect identities: find, link or create the user of a provider's subject, with the provider's role."""

import secrets
from typing import Any
from uuid import uuid4

from app import clock, db
from app.domain.identity.oidc_claims import OidcUser
from app.errors import Conflict, Forbidden
from app.store.identity import api_keys, credential_caches, invitations, mfa, sessions, users
from app.store.tables.api_keys import ApiKeyRow
from app.store.tables.mfa import OidcIdentityRow
from app.store.tables.users import UserRow
from schema.status import Role

NO_EMAIL = "The sign-in provider did not send an e-mail address, which an account needs."
NO_ACCOUNT = "You have no account here. Ask an admin for one."
FIRST_MUST_BE_ADMIN = "The first user must be an admin. Register one, or give yourself an admin role at the provider."
ACCOUNT_DISABLED = "This account is disabled."
EMAIL_TAKEN = "Another account has this e-mail address. Ask an admin."
HAS_SECOND_FACTOR = (
    "The account with this e-mail address has a second factor, so it is not linked to the provider automatically. Sign"
    " in with your password and disable the second factor first, or ask an admin."
)


async def sign_in_or_create(person: OidcUser, *, may_create: bool, spare_hash: str) -> str:
    """The user of a provider's subject: known, linked by a verified address, or new. The provider decides the role.

    spare_hash    the hash of a password that nobody knows; for an account that is linked or created
    raises        Forbidden (no account, or an inactive one), Conflict (another account has the address, or has it with
                  a second factor)
    """
    async with db.transaction():
        await db.advisory_lock(users.LOCK)
        user_id, is_linked = await _find_linked(person) or await _link_by_email(person, spare_hash) or (None, False)
        if user_id is None:
            user_id = await _create(person, spare_hash, may_create=may_create)
        old = Role((await UserRow.select(UserRow.role).where(UserRow.id == user_id))[0]["role"])
        has_new_role = await _update_role(user_id, old, person.role)
        if is_linked or has_new_role:
            await sessions.end_others(user_id)
        if has_new_role and person.role is not Role.ADMIN:
            await invitations.revoke_for_inviter(user_id)
        if has_new_role and person.role and not person.role.covers(old):
            await api_keys.revoke_for_user(user_id)
    if is_linked or has_new_role:  # again: entries cached meanwhile are from before the commit
        credential_caches.clear_caches()
    return user_id


async def _find_linked(person: OidcUser) -> tuple[str, bool] | None:
    is_identity = (OidcIdentityRow.issuer == person.issuer) & (OidcIdentityRow.subject == person.subject)
    identity = await OidcIdentityRow.select(OidcIdentityRow.user_id).where(is_identity).first()
    user_id = identity and identity["user_id"]
    user = await UserRow.select(UserRow.id, UserRow.active).where(UserRow.id == user_id).first()
    return None if user is None else (_require_active(user), False)


async def _link_by_email(person: OidcUser, spare_hash: str) -> tuple[str, bool] | None:
    """Link the account with the person's verified address, unless it is linked already.

    The account's password and all other credentials are deleted, because its address was never verified here: an
    attacker could have registered with a foreign address and would share the account once its owner signs in. An
    account with a second factor is not linked, since the provider would replace both factors.
    """
    if not person.email:
        return None
    user = await UserRow.select(UserRow.id, UserRow.active).where(UserRow.email == person.email).first()
    if user is None:
        return None
    is_linked = await OidcIdentityRow.exists().where(OidcIdentityRow.user_id == user["id"])
    if is_linked or not person.email_verified:
        raise Conflict(EMAIL_TAKEN)
    user_id = _require_active(user)
    if (await mfa.get_status(user_id)).enabled:
        raise Conflict(HAS_SECOND_FACTOR)
    await _link(person, user_id)
    await UserRow.update({UserRow.password_hash: spare_hash}).where(UserRow.id == user_id)
    await ApiKeyRow.delete().where(ApiKeyRow.user_id == user_id)
    await mfa.delete_factors(user_id)
    return user_id, True


async def _create(person: OidcUser, spare_hash: str, *, may_create: bool) -> str:
    if not may_create:
        raise Forbidden(NO_ACCOUNT)
    if not person.email:
        raise Forbidden(NO_EMAIL)
    if person.role is not Role.ADMIN and not await UserRow.exists():
        raise Forbidden(FIRST_MUST_BE_ADMIN)
    id_, name = str(uuid4()), person.username
    if await UserRow.exists().where(UserRow.username == name):
        name = f"{name}-{secrets.token_hex(4)}"
    role = (person.role or Role.VIEWER).value
    row = UserRow(
        id=id_, username=name, email=person.email, password_hash=spare_hash, role=role, created_ms=clock.now_ms()
    )
    await UserRow.insert(row)
    await _link(person, id_)
    return id_


async def _link(person: OidcUser, user_id: str) -> None:
    row = OidcIdentityRow(issuer=person.issuer, subject=person.subject, user_id=user_id, created_ms=clock.now_ms())
    await OidcIdentityRow.insert(row)


async def _update_role(user_id: str, old: Role, new: Role | None) -> bool:
    """Give the user the provider's role; False when nothing changes. The last active admin stays one."""
    if new is None or new is old:
        return False
    is_other_admin = (UserRow.id != user_id) & (UserRow.role == Role.ADMIN.value) & UserRow.active.eq(True)
    if old is Role.ADMIN and not await UserRow.exists().where(is_other_admin):
        return False
    await UserRow.update({UserRow.role: new.value}).where(UserRow.id == user_id)
    return True


def _require_active(row: dict[str, Any]) -> str:
    if not row["active"]:
        raise Forbidden(ACCOUNT_DISABLED)
    return str(row["id"])
