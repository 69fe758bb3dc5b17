"""The maintenance commands of the CLI. Each imports only what it needs, and returns its exit code."""

import argparse
import sqlite3
import sys
import time
from collections.abc import Callable
from functools import wraps

from app.settings import BadSettings, Settings, with_secret_key

TRY_AGAIN_EXIT = 75  # EX_TEMPFAIL of sysexits.h
RETRY_S = 2.0  # between attempts to reach an unavailable database
Command = Callable[[Settings, argparse.Namespace], int]


def needs_database(command: Command) -> Command:
    """Decorate a command that needs a migrated database: prints a problem as one line, or raises BadSettings."""

    @wraps(command)
    def checked(settings: Settings, options: argparse.Namespace) -> int:
        import asyncio

        from app import db, migrate

        try:
            asyncio.run(migrate.require_current(settings))
            return command(settings, options)
        except (migrate.DatabaseUnavailable, *db.TRANSIENT_ERRORS) as error:
            print(f"watchkeeper: the database does not answer: {migrate.error_line(error)}", file=sys.stderr)
            return TRY_AGAIN_EXIT
        except sqlite3.DatabaseError as error:
            if type(error) is not sqlite3.DatabaseError:  # a subclass is a bug of ours
                raise
            raise BadSettings([f"DB_NAME: {settings.db_path} can't be used: {error}"]) from error

    return checked


def migrate(settings: Settings, options: argparse.Namespace) -> int:
    """Migrate the database. With `--wait`, report an unavailable database once, and wait for it."""
    import asyncio

    from app import migrate

    reported = False
    while True:
        try:
            applied = asyncio.run(migrate.run(settings))
            break
        except migrate.DatabaseUnavailable as error:
            if not reported:
                print(f"watchkeeper: the database does not answer: {error}", file=sys.stderr, flush=True)
            if not options.wait:
                return TRY_AGAIN_EXIT
            reported = True
            time.sleep(RETRY_S)
    print(f"{'migrate':<10} {', '.join(applied) or 'nothing to do'}", flush=True)
    return 0


@needs_database
def rotate_key(settings: Settings, options: argparse.Namespace) -> int:
    """Encrypt all stored secrets with a new key."""
    from app.commands import rotate_key

    try:
        print(f"rotate-key {rotate_key.run(settings, forget=options.forget)}", flush=True)
    except rotate_key.RotationIncomplete as error:
        print(f"watchkeeper: {error}", file=sys.stderr)
        return 1
    return 0


def doctor(settings: Settings, options: argparse.Namespace) -> int:
    """Print the problems of this installation; 1 when there are any."""
    import asyncio

    from app import file_permissions
    from app.commands import doctor

    if options.history:
        return _report_history(settings, options)
    problems = asyncio.run(doctor.find_problems(settings, options.role))
    # notes don't change the exit code: they are no reason to restart a container
    notes = [f"note: {line}" for line in file_permissions.exposure_warnings(settings)]
    print("\n".join([*problems, *notes]) or "all well")
    return 1 if problems else 0


@needs_database
def _report_history(settings: Settings, options: argparse.Namespace) -> int:
    import asyncio

    from app.commands import doctor

    report = asyncio.run(doctor.history_report(settings, options.settle))
    errors = f"missing {report.missing}, doubled {report.doubled}"
    text = f"{errors} of {report.slots} slots in {report.series} series; {report.gaps} recorded gaps"
    print(doctor.as_json(report) if options.json else "\n".join([text, *map(str, report.worst)]))
    return 1 if report.missing or report.doubled else 0


@needs_database
def recover_admin(settings: Settings, options: argparse.Namespace) -> int:
    """Recover a locked-out admin."""
    import asyncio

    from app import errors
    from app.commands import recover_admin

    try:
        name, password, revoked = asyncio.run(recover_admin.recover_admin(settings, options.login))
    except errors.NoSuch as error:
        print(f"watchkeeper: {error}", file=sys.stderr)
        return 1
    print(f"{name} is an admin with the password {password}\nshown this once: sign in and change it")
    if revoked:
        print(f"API keys that were switched off: {revoked}")
    return 0


@needs_database
def rotate_signing_key(settings: Settings, _: argparse.Namespace) -> int:
    """Sign tokens with a new key."""
    import asyncio

    from app.commands import recover_admin

    print(f"key {asyncio.run(recover_admin.rotate_signing_key(settings))} signs in a few seconds; nobody is signed out")
    return 0


@needs_database
def audit_verify(settings: Settings, _: argparse.Namespace) -> int:
    """Verify the audit log; 1 when it was changed."""
    import asyncio

    from app.commands import audit_verify

    report = asyncio.run(audit_verify.verify(with_secret_key(settings)))
    print(audit_verify.describe_report(report), flush=True)
    return 1 if report.error else 0


def webpush_key(_: Settings, __: argparse.Namespace) -> int:
    """Print a key pair for web push; nothing is stored."""
    from app.domain.alerting import vapid

    private = vapid.generate_private_key()
    print(f"private_key           {private}\napplicationServerKey  {vapid.public_key_for(private)}")
    return 0
