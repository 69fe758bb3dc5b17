"""The API's work before it serves: loads the signing keys, and creates or deletes the set-up token."""

import sys

import structlog

from app import db, setup_token
from app.settings import Settings
from app.store.identity import signing_keys, users

log = structlog.get_logger()


async def prepare(settings: Settings) -> None:
    """Do this work. Without a migrated database it is skipped: `/ready` reports that."""
    try:
        await signing_keys.load()
        await _prepare_setup(settings)
    except (*db.TRANSIENT_ERRORS, *db.UNMIGRATED) as error:
        log.warning("api.started_without_database", error=type(error).__name__)


async def _prepare_setup(settings: Settings) -> None:
    """While there is no user, create the token, and print it unless `up` does."""
    if await users.any_exist():
        setup_token.delete_token(settings)
        return
    setup_token.get_token(settings)
    if settings.log_file is None:
        sys.stderr.write(f"{'setup':<10} {setup_token.instructions(settings)}\n")  # for a person, not for the log
