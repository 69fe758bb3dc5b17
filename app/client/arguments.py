"""The commands that talk to a server over its API: their words, and which module does them.

They need an address and a token, and read no setting of a server. Each imports only what it needs.
"""

import argparse
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn, TypeAlias

from app.client import logins
from app.client.completion import SHELLS

Commands: TypeAlias = "argparse._SubParsersAction[Parser]"  # noqa: SLF001  # it has no other name
USAGE_EXIT = 64  # EX_USAGE of sysexits.h
RunCommand = Callable[[argparse.Namespace], int]


class Parser(argparse.ArgumentParser):
    """Ends with 64 when the words are wrong: 2 is what a check that failed ends with."""

    def error(self, message: str) -> NoReturn:
        """Say how the command is used, and what is wrong."""
        self.print_usage(sys.stderr)
        self.exit(USAGE_EXIT, f"{self.prog}: {message}\n")


def add_commands(commands: Commands) -> None:
    """Add every command of this kind."""
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


def _run_on_server(chosen: argparse.Namespace, command: Callable[[Any], Awaitable[int]]) -> int:
    """Have a command ask the server that is meant."""
    from app.client import commands

    return commands.run(*logins.server_and_token(chosen.url), command)


def _check(chosen: argparse.Namespace) -> int:
    from app.client import check

    if (chosen.type is None) is (chosen.file is None) or (chosen.file and chosen.config):
        chosen.parser.error("either a type with its config, or --file")

    async def run(server: Any) -> int:
        asked = check.read_checks(chosen.file) if chosen.file else [check.check_of_pairs(chosen.type, chosen.config)]
        return await check.run(server, asked, json=chosen.json)

    return _run_on_server(chosen, run)


def _monitors(chosen: argparse.Namespace) -> int:
    from app.client import monitors

    return _run_on_server(chosen, lambda server: monitors.run(server, json=chosen.json))


def _status(chosen: argparse.Namespace) -> int:
    from app.client import status

    return _run_on_server(chosen, lambda server: status.run(server, json=chosen.json))


def _tail(chosen: argparse.Namespace) -> int:
    from app.client import tail

    return _run_on_server(chosen, lambda server: tail.run(server, chosen.monitor, json=chosen.json))


def _listen(chosen: argparse.Namespace) -> int:
    from app.client import commands, listen

    return commands.run_to_end(listen.run(*logins.server_and_token(chosen.url), chosen.channels))


def _add(chosen: argparse.Namespace) -> int:
    from app.client import changes

    interval, json = chosen.interval, chosen.json
    return _run_on_server(
        chosen,
        lambda server: changes.create_monitor(
            server, chosen.type, chosen.name, chosen.config, interval=interval, json=json
        ),
    )


def _switch(chosen: argparse.Namespace) -> int:
    from app.client import changes

    return _run_on_server(
        chosen, lambda server: changes.set_active(server, chosen.action, chosen.monitors, json=chosen.json)
    )


def _ack(chosen: argparse.Namespace) -> int:
    from app.client import changes

    return _run_on_server(chosen, lambda server: changes.acknowledge_incidents(server, chosen.what, json=chosen.json))


def _push(chosen: argparse.Namespace) -> int:
    from app.client import commands, push

    words = {name: getattr(chosen, name) for name in ("status", "msg", "ping", "rid")}
    url = logins.server_url(chosen.url, os.environ)
    return commands.run_to_end(push.run(url, chosen.token, chosen.signal, words, chosen.body, json=chosen.json))


def _login(chosen: argparse.Namespace) -> int:
    from app.client import commands, login

    url = logins.server_url(chosen.url, os.environ)
    return commands.run_to_end(login.run(url, email=chosen.email, with_token=chosen.with_token, json=chosen.json))


def _logout(chosen: argparse.Namespace) -> int:
    from app.client import commands, login

    return commands.run_to_end(login.log_out(logins.server_url(chosen.url, os.environ), json=chosen.json))


def _request(chosen: argparse.Namespace) -> int:
    from app.client import raw

    return _run_on_server(chosen, lambda server: raw.run(server, chosen.path, chosen.pairs, method=chosen.method))


def _completion(chosen: argparse.Namespace) -> int:
    from app.client import completion
    from schema.targets import TARGETS

    types = sorted(TARGETS)
    return completion.run(chosen.shell, chosen.commands, {"check": types, "add": types})
