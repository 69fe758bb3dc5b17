"""Command-line arguments of the commands that use a server's API.

They need an address and a token, and read none of the server's settings. Each imports its module when it runs.
"""

import argparse
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn, TypeAlias

from app.client import logins
from app.client.completion import SHELLS

Commands: TypeAlias = "argparse._SubParsersAction[Parser]"  # noqa: SLF001  # it has no public name
USAGE_EXIT = 64  # EX_USAGE of sysexits.h
RunCommand = Callable[[argparse.Namespace], int]


class Parser(argparse.ArgumentParser):
    """Exits with 64 for wrong arguments, since 2 means that a check failed."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and the error, and exit."""
        self.print_usage(sys.stderr)
        self.exit(USAGE_EXIT, f"{self.prog}: {message}\n")


def add_commands(commands: Commands) -> None:
    """Add all client commands."""
    _add_read_commands(commands)
    _add_change_commands(commands)
    _add_login_commands(commands)
    raw = _add_command(commands, "request", _request, "ask for anything of the API, and print the reply's JSON")
    raw.add_argument("path", help="below /api/v1, such as /monitors")
    raw.add_argument("pairs", nargs="*", metavar="name=value", help="the query of a GET, the body of anything else")
    raw.add_argument("-X", "--method", default="", help="default: POST with pairs, GET without")
    completion = _add_command(
        commands, "completion", _completion, "print what a shell needs to complete these commands"
    )
    completion.add_argument("shell", choices=SHELLS)
    completion.set_defaults(commands=commands.choices)


def _add_read_commands(commands: Commands) -> None:
    check = _add_command(commands, "check", _check, "run a check once; exit 0 success, 1 warning, 2 error, 3 not asked")
    check.add_argument("type", nargs="?", help="what kind of check, such as http or dns")
    check.add_argument("config", nargs="*", metavar="name=value", help="its config, such as url=https://example.org")
    check.add_argument("--file", help="a JSON list of {plugin_type, config} to run instead; - reads it from stdin")
    _add_command(commands, "monitors", _monitors, "list what is watched, and where it stands")
    _add_command(commands, "status", _status, "count what is well and list what is not; exit 2 if anything is down")
    tail = _add_command(commands, "tail", _tail, "print heartbeats as they come")
    tail.add_argument("monitor", nargs="?", default="", help="the name or id of one monitor; default: all")
    listen = _add_command(commands, "listen", _listen, "print live messages as they are")
    listen.add_argument("channels", nargs="+", metavar="CHANNEL", help="heartbeats, monitor:<id> or events")


def _add_change_commands(commands: Commands) -> None:
    add = _add_command(commands, "add", _add, "add a monitor")
    add.add_argument("type", help="what kind of monitor, such as http or push")
    add.add_argument("name", help="a name people recognise")
    add.add_argument("config", nargs="*", metavar="name=value", help="its config, such as url=https://example.org")
    add.add_argument("--interval", type=int, metavar="S", help="seconds between checks; default: 60")
    for action in ("pause", "resume"):
        switch = _add_command(commands, action, _switch, f"{action} monitors")
        switch.add_argument("monitors", nargs="+", metavar="MONITOR", help="a name or an id")
        switch.set_defaults(action=action)
    ack = _add_command(commands, "ack", _ack, "acknowledge an outage")
    ack.add_argument("what", metavar="MONITOR", help="a monitor's name, or an incident's id")
    push = _add_command(commands, "push", _push, "report to a monitor of type push; needs no login")
    push.add_argument("token", help="the token (behind -- when it begins with -), or the whole push address")
    push.add_argument("signal", nargs="?", default="", help="start, fail, log or an exit code; default: it went well")
    push.add_argument("--status", default="", help="up or down, without a signal")
    push.add_argument("--msg", default="", help="a few words that are kept")
    push.add_argument("--ping", default="", metavar="MS", help="how long it took")
    push.add_argument("--rid", default="", metavar="ID", help="id of a run: the same at its start and its end")
    push.add_argument("--body", default="", metavar="FILE", help="a log whose end is kept; - reads it from stdin")


def _add_login_commands(commands: Commands) -> None:
    login = _add_command(commands, "login", _login, "log in at a server, and keep an API key of one's own for it")
    login.add_argument("email", nargs="?", default="", help="e-mail address or user name; asked for when it is absent")
    login.add_argument("--with-token", action="store_true", help="read an API key from stdin instead of making one")
    _add_command(commands, "logout", _logout, "remove the API key that login made")


def _add_command(commands: Commands, name: str, run: RunCommand, text: str) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text, description=text)
    command.set_defaults(run=run, parser=command, is_client=True)
    command.add_argument("--url", help=f"the server; default: {logins.URL_VARIABLE}, or where one logged in last")
    command.add_argument("--json", action="store_true", help="print JSON")
    return command


def _run_on_server(args: argparse.Namespace, command: Callable[[Any], Awaitable[int]]) -> int:
    """Run a command with a client for the chosen server."""
    from app.client import commands

    return commands.run(*logins.server_and_token(args.url), command)


def _check(args: argparse.Namespace) -> int:
    from app.client import check

    if (args.type is None) is (args.file is None) or (args.file and args.config):
        args.parser.error("either a type with its config, or --file")

    async def run(api: Any) -> int:
        checks = check.read_checks(args.file) if args.file else [check.check_of_pairs(args.type, args.config)]
        return await check.run(api, checks, json=args.json)

    return _run_on_server(args, run)


def _monitors(args: argparse.Namespace) -> int:
    from app.client import monitors

    return _run_on_server(args, lambda api: monitors.run(api, json=args.json))


def _status(args: argparse.Namespace) -> int:
    from app.client import status

    return _run_on_server(args, lambda api: status.run(api, json=args.json))


def _tail(args: argparse.Namespace) -> int:
    from app.client import tail

    return _run_on_server(args, lambda api: tail.run(api, args.monitor, json=args.json))


def _listen(args: argparse.Namespace) -> int:
    from app.client import commands, listen

    return commands.run_to_end(listen.run(*logins.server_and_token(args.url), args.channels))


def _add(args: argparse.Namespace) -> int:
    from app.client import changes

    interval, json = args.interval, args.json
    return _run_on_server(
        args,
        lambda api: changes.create_monitor(api, args.type, args.name, args.config, interval=interval, json=json),
    )


def _switch(args: argparse.Namespace) -> int:
    from app.client import changes

    return _run_on_server(args, lambda api: changes.set_active(api, args.action, args.monitors, json=args.json))


def _ack(args: argparse.Namespace) -> int:
    from app.client import changes

    return _run_on_server(args, lambda api: changes.acknowledge_incidents(api, args.what, json=args.json))


def _push(args: argparse.Namespace) -> int:
    from app.client import commands, push

    params = {name: getattr(args, name) for name in ("status", "msg", "ping", "rid")}
    url = logins.server_url(args.url, os.environ)
    return commands.run_to_end(push.run(url, args.token, args.signal, params, args.body, json=args.json))


def _login(args: argparse.Namespace) -> int:
    from app.client import commands, login

    url = logins.server_url(args.url, os.environ)
    return commands.run_to_end(login.run(url, email=args.email, with_token=args.with_token, json=args.json))


def _logout(args: argparse.Namespace) -> int:
    from app.client import commands, login

    return commands.run_to_end(login.log_out(logins.server_url(args.url, os.environ), json=args.json))


def _request(args: argparse.Namespace) -> int:
    from app.client import raw

    return _run_on_server(args, lambda api: raw.run(api, args.path, args.pairs, method=args.method))


def _completion(args: argparse.Namespace) -> int:
    from app.client import completion
    from schema.targets import TARGETS

    types = sorted(TARGETS)
    return completion.run(args.shell, args.commands, {"check": types, "add": types})
