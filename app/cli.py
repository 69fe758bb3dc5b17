"""The command line `watchkeeper`: one command for each process and each manual task; `_build_parsers` has them all.

Each command imports only what it needs.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import NoReturn

from app import file_permissions
from app.client import arguments
from app.client.arguments import Commands, Parser
from app.commands import upkeep
from app.settings import BAD_SETTINGS_EXIT, BadSettings, Settings, read_settings, with_secret_key

Command = Callable[[Settings, argparse.Namespace], int]

QUEUES = ("check", "ingest", "notify")
MAX_OPEN_FILES = 65_536  # a socket per running check and per client
SETTLE_S = 120  # a slot may be enqueued twice, each time with a deadline, before it is lost


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code. 78: settings are wrong, and every wrong one was printed."""
    args = parse_arguments(sys.argv[1:] if argv is None else argv)
    before = os.umask(file_permissions.UMASK)
    try:
        if args.is_client:
            return int(args.run(args))
        run: Command = args.run
        return run(read_settings(os.environ, Path.cwd()), args)
    except BadSettings as error:
        for line in error.lines:
            print(f"watchkeeper: {line}", file=sys.stderr)
        return BAD_SETTINGS_EXIT
    finally:
        os.umask(before)


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Parse a command and its options, which may also stand before the command and between its arguments."""
    parser, commands = _build_parsers()
    index = _command_index(argv)
    if index == len(argv):
        return parser.parse_args(argv)
    name, others = argv[index], [*argv[:index], *argv[index + 1 :]]
    if name not in commands:
        similar = get_close_matches(name, commands, 1)
        parser.error(f"there is no command {name!r}" + (f": did you mean {similar[0]!r}?" if similar else ""))
    if "--" in others:  # nothing after it is an option; `parse_intermixed_args` does not support it
        return commands[name].parse_args(others)
    return commands[name].parse_intermixed_args(others)


def _command_index(argv: Sequence[str]) -> int:
    """The index of the command's name: the first argument that is neither an option nor the value of one."""
    index = 0
    while index < len(argv) and argv[index].startswith("-"):
        index += 2 if argv[index] == "--url" else 1
    return min(index, len(argv))


def _build_parsers() -> tuple[Parser, Mapping[str, Parser]]:
    """(the whole parser, the parser of each command by its name)."""
    parser = Parser(prog="watchkeeper", description="Watches services, tells people when one fails.")
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    up = _add_command(commands, "up", _up, "run everything: api, scheduler, worker, and Valkey when no Redis is set")
    up.add_argument("-v", "--verbose", action="store_true", help="log to the terminal instead of DATA_DIR/logs")
    _add_command(commands, "api", _api, "run the HTTP and WebSocket server")
    _add_command(commands, "schedule", _schedule, "run a scheduler; several may run at once")
    work = _add_command(commands, "work", _work, "run a worker; any number may run")
    work.add_argument("--queues", type=_parse_queues, default=QUEUES, help=f"some of {','.join(QUEUES)} (default: all)")
    migrate = _add_command(commands, "migrate", upkeep.migrate, "bring the database up to this version")
    migrate.add_argument("--wait", action="store_true", help="wait for a database that does not answer yet")
    rotate = _add_command(commands, "rotate-key", upkeep.rotate_key, "seal everything that is stored with a new key")
    rotate.add_argument("--forget", action="store_true", help="drop the old key once nothing is sealed with it")
    doctor = _add_command(
        commands, "doctor", upkeep.doctor, "say what is wrong with this installation; exit 1 if anything is"
    )
    doctor.add_argument(
        "--role", choices=("api", "scheduler", "worker"), help="also look for such a process on this machine"
    )
    doctor.add_argument("--history", action="store_true", help="count missing and doubled slots in all stored history")
    doctor.add_argument("--settle", type=int, default=SETTLE_S, metavar="S", help="ignore slots younger than S seconds")
    doctor.add_argument("--json", action="store_true", help="print the history's report as JSON")
    recover = _add_command(
        commands, "recover-admin", upkeep.recover_admin, "let a lost admin in again, with a new password"
    )
    recover.add_argument("login", metavar="EMAIL", help="the user's e-mail address or user name")
    _add_command(
        commands, "rotate-signing-key", upkeep.rotate_signing_key, "sign tokens with a new key; nobody is signed out"
    )
    _add_command(
        commands, "audit-verify", upkeep.audit_verify, "check that nobody changed the audit log; exit 1 if somebody did"
    )
    _add_command(commands, "webpush-key", upkeep.webpush_key, "make a key that browsers subscribe to")
    arguments.add_commands(commands)
    return parser, commands.choices


def _add_command(commands: Commands, name: str, run: Command, text: str) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text, description=text)
    command.set_defaults(run=run, parser=command, is_client=False)
    return command


def _parse_queues(text: str) -> tuple[str, ...]:
    names = tuple(filter(None, (name.strip() for name in text.split(","))))
    if not names or not set(names) <= set(QUEUES):
        raise argparse.ArgumentTypeError(f"must be some of {','.join(QUEUES)}")
    return names


class _Version(argparse.Action):
    """Prints the version, which is imported only then."""

    def __call__(self, *_: object) -> NoReturn:
        from app import version

        print(f"watchkeeper {version.VERSION}")
        raise SystemExit(0)


def _start_process(settings: Settings, process: str) -> Settings:
    """Set up a long-running process: garbage collection, time zone, limits, log, secret key."""
    import structlog

    from app import gc_tuning, log

    gc_tuning.disable_while_importing()
    os.environ["TZ"] = settings.tz
    time.tzset()
    _allow_open_files()
    log.configure(settings, process)
    for line in file_permissions.exposure_warnings(settings):
        structlog.get_logger().warning("files.permissions_too_open", reason=line)
    return with_secret_key(settings)


def _allow_open_files() -> None:
    """The usual soft limit of 1,024 is less than the checks that may run at once."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(MAX_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


def _up(settings: Settings, args: argparse.Namespace) -> int:
    from app.processes import supervisor

    return supervisor.run(settings, os.environ, verbose=args.verbose)


def _api(settings: Settings, _: argparse.Namespace) -> int:
    settings = _start_process(settings, "api")  # first: the imports below take most of the startup

    from app.processes import server

    return server.run(settings)


def _schedule(settings: Settings, _: argparse.Namespace) -> int:
    settings = _start_process(settings, "scheduler")

    import uvloop

    from actors import schedule

    uvloop.run(schedule.run(settings))
    return 0


def _work(settings: Settings, args: argparse.Namespace) -> int:
    settings = _start_process(settings, "worker")

    from actors import worker

    return worker.run(settings, args.queues)


if __name__ == "__main__":
    sys.exit(main())
