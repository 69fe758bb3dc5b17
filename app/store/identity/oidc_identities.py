"""OpenID Connect identities: find, link or create the user of a provider's subject, with the provider's role.

Written as SQL: a join, conditions with EXISTS, and PostgreSQL's lock.
"""

import secrets
from typing import Any
from uuid import uuid4

from app import clock, db
from app.domain.identity.oidc_claims import OidcUser
from app.errors import Conflict, Forbidden
from app.store.identity import api_keys, credential_caches, invitations, mfa, sessions
from app.store.tables.api_keys import ApiKeyRow
from app.store.tables.mfa import OidcIdentityRow
from app.store.tables.users import UserRow
from schema.status import Role

_LOCK_REGISTRATIONS = "SELECT pg_advisory_xact_lock(7746337)"  # the same lock as for registrations
NO_EMAIL = "The sign-in provider did not send an e-mail address, which an account needs."
NO_ACCOUNT = "You have no account here. Ask an admin for one."
FIRST_MUST_BE_ADMIN = "The first user must be an admin. Register one, or give yourself an admin role at the provider."
ACCOUNT_DISABLED = "This account is disabled."
EMAIL_TAKEN = "Another account has this e-mail address. Ask an admin."
HAS_SECOND_FACTOR = (
    "The account with this e-mail address has a second factor, so it is not linked to the provider automatically. Sign"
    " in with your password and disable the second factor first, or ask an admin."
)

_SELECT_LINKED = """
SELECT u.id, u.active FROM oidc_identities i JOIN users u ON u.id = i.user_id WHERE i.issuer = ?1 AND i.subject = ?2
"""
_SELECT_BY_EMAIL = """
SELECT u.id, u.active, EXISTS (SELECT 1 FROM oidc_identities i WHERE i.user_id = u.id) AS linked
FROM users u WHERE u.email = ?1
"""
_UPDATE_ROLE = """
UPDATE users SET role = ?2 WHERE id = ?1 AND role <> ?2 AND (role <> 'admin' OR EXISTS (
    SELECT 1 FROM users other WHERE other.id <> ?1 AND other.role = 'admin' AND other.active)) RETURNING id
"""


async def sign_in_or_create(person: OidcUser, *, may_create: bool, spare_hash: str) -> str:
    """The user of a provider's subject: known, linked by a verified address, or new. The provider decides the role.

    spare_hash    the hash of a password that nobody knows; for an account that is linked or created
    raises        Forbidden (no account, or an inactive one), Conflict (another account has the address, or has it with
                  a second factor)
    """
    async with db.transaction():
        if not db.is_sqlite():
            await db.rows(_LOCK_REGISTRATIONS)
        user_id, is_linked = await _find_linked(person) or await _link_by_email(person, spare_hash) or (None, False)
        if user_id is None:
            user_id = await _create(person, spare_hash, may_create=may_create)
        (old,) = await UserRow.select(UserRow.role).where(UserRow.id == user_id)
        has_new_role = bool(person.role and await db.rows(_UPDATE_ROLE, user_id, person.role.value))
        if is_linked or has_new_role:
            await sessions.end_others(user_id)
        if has_new_role and person.role is not Role.ADMIN:
            await invitations.revoke_for_inviter(user_id)
        if has_new_role and person.role and not person.role.covers(Role(old["role"])):
            await api_keys.revoke_for_user(user_id)
    if is_linked or has_new_role:  # again: entries cached meanwhile are from before the commit
        credential_caches.clear_caches()
    return user_id


async def _find_linked(person: OidcUser) -> tuple[str, bool] | None:
    found = await db.rows(_SELECT_LINKED, person.issuer, person.subject)
    return (_require_active(found[0]), False) if found else None


async def _link_by_email(person: OidcUser, spare_hash: str) -> tuple[str, bool] | None:
    """Link the account with the person's verified address, unless it is linked already.

    The account's password and all other credentials are deleted, because its address was never verified here: an
    attacker could have registered with a foreign address and would share the account once its owner signs in. An
    account with a second factor is not linked, since the provider would replace both factors.
    """
    found = await db.rows(_SELECT_BY_EMAIL, person.email) if person.email else []
    if not found:
        return None
    if found[0]["linked"] or not person.email_verified:
        raise Conflict(EMAIL_TAKEN)
    user_id = _require_active(found[0])
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


def _require_active(row: Any) -> str:
    if not row["active"]:
        raise Forbidden(ACCOUNT_DISABLED)
    return str(row["id"])
