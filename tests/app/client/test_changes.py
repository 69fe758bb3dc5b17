"""Commands that change something, and what they print for terminals and shells."""

import json
import shutil
import subprocess
from typing import Any

import pytest

from app import cli
from app.client import screen
from app.store.incidents import incidents
from app.store.incidents.incidents import IncidentQuery
from app.store.monitoring import rows
from app.store.transactions import monitors
from schema.status import Status
from tests.app.client.test_commands import added

pytestmark = [pytest.mark.timeout(120), pytest.mark.either_engine]


async def test_a_monitor_is_added_paused_and_resumed(watchkeeper: Any) -> None:
    done = await watchkeeper("add", "http", "My site", "url=http://127.0.0.1:9/", "--interval", "30", "timeout=3")
    assert done.code == 3  # a config has no such field
    done = await watchkeeper("add", "http", "My site", "url=http://127.0.0.1:9/", "--interval", "30")
    assert done.out.startswith("Added My site (")
    ((one,), _) = await monitors.list_page(monitors.MonitorQuery())
    assert (one.name, one.interval) == ("My site", 30)
    assert (await watchkeeper("pause", "My site")).out == "Paused My site.\n"
    assert not (await monitors.get(one.id)).active
    assert json.loads((await watchkeeper("resume", one.id, "--json")).out)["done"] == 1
    assert (await monitors.get(one.id)).active
    missing = await watchkeeper("pause", "nobody")
    assert (missing.code, missing.err) == (3, "watchkeeper: no monitor 'nobody'\n")


async def test_a_job_reports_without_a_login(watchkeeper: Any, url: str) -> None:
    done = await watchkeeper("add", "push", "backup", "--json")
    assert done.code == 0, done.err
    token = json.loads(done.out)["config"]["token"]
    nobody = {"WATCHKEEPER_TOKEN": ""}
    good = await watchkeeper("push", token, "--msg", "all well", "--body", "-", stdin="log", **nobody)
    assert (good.code, good.out) == (0, "Reported.\n")
    whole = await watchkeeper("push", f"{url}/api/v1/push/{token}", "1", WATCHKEEPER_URL="http://127.0.0.1:1", **nobody)
    assert whole.code == 0, whole.err
    kuma = await watchkeeper("push", f"{url}/api/push/{token}", "--status", "down", "--json", **nobody)
    assert json.loads(kuma.out) == {"ok": True}
    wrong = await watchkeeper("push", "a-token-of-nobody-at-all", **nobody)
    assert (wrong.code, wrong.err) == (3, "watchkeeper: There is no monitor with this push token.\n")
    lost = await watchkeeper("push", token, "--body", "nowhere.log", **nobody)
    assert lost.err == "watchkeeper: nowhere.log can't be read: No such file or directory\n"


async def test_arguments_with_a_leading_dash_are_accepted_after_a_double_dash(watchkeeper: Any) -> None:
    await added(name="-odd")
    paused = await watchkeeper("pause", "--json", "--", "-odd")
    assert paused.code == 0, paused.err
    token = "-a-token-that-somebody-chose"
    await watchkeeper("add", "push", "backup", f"token={token}")
    done = await watchkeeper("push", "--msg", "all well", "--", token, WATCHKEEPER_TOKEN="")
    assert (done.code, done.out) == (0, "Reported.\n"), done.err


def test_a_token_of_ours_does_not_begin_with_a_dash(monkeypatch: pytest.MonkeyPatch) -> None:
    made = iter(["-first", "-second", "third-"])
    monkeypatch.setattr(rows, "token_urlsafe", lambda _: next(made))
    assert rows.new_push_token() == "third-"


async def test_an_outage_is_acknowledged_by_its_monitors_name(watchkeeper: Any) -> None:
    await added(name="shop", down=True)
    done = await watchkeeper("ack", "shop")
    assert (done.code, done.out) == (0, "Acknowledged: shop is down.\n"), done.err
    ((one,), _) = await incidents.list_page(IncidentQuery())
    assert one.acknowledged_at is not None
    again = await watchkeeper("ack", "shop")
    assert (again.code, again.err) == (3, "watchkeeper: shop has no open incident\n")
    assert (await watchkeeper("ack", one.id)).code == 0


async def test_every_operation_of_the_api_can_be_called(watchkeeper: Any) -> None:
    await added(name="shop")
    listed = json.loads((await watchkeeper("request", "/monitors", "q=sho", "-X", "GET")).out)
    assert listed["total"] == 1
    tag = json.loads((await watchkeeper("request", "/api/v1/tags", "name=home")).out)
    assert tag["name"] == "home"
    gone = await watchkeeper("request", f"/tags/{tag['id']}", "-X", "DELETE")
    assert (gone.code, gone.out) == (0, "")
    assert (await watchkeeper("request", "/nothing")).code == 3


class Terminal:
    """Standard output as a person's terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, "\x1b[31mdown\x1b[0m"),
        ({"NO_COLOR": "1"}, "down"),
        ({"TERM": "dumb"}, "down"),
    ],
)
def test_a_status_has_a_colour_on_a_terminal(monkeypatch: Any, environ: dict[str, str], expected: str) -> None:
    for name in ("NO_COLOR", "TERM", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert screen.colorize("down") == "down"  # in a pipe
    monkeypatch.setattr("sys.stdout", Terminal())
    assert screen.colorize("down") == expected
    assert screen.colorize("shop") == "shop"


def test_a_table_is_cut_to_the_terminal_and_whole_in_a_pipe(monkeypatch: Any) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("NO_COLOR", "1")
    rows = [["a name that is much longer than there is room for", "up"]]
    assert rows[0][0] in screen.format_table(["NAME", "STATUS"], rows)
    monkeypatch.setattr("sys.stdout", Terminal())
    lines = screen.format_table(["NAME", "STATUS"], rows).splitlines()
    assert {len(line) <= 40 for line in lines} == {True}
    assert "…" in lines[1]


def test_an_instant_is_printed_in_local_time() -> None:
    assert screen.local_time("2026-11-22T08:00:00Z") == screen.local_time("2026-11-22T09:00:00+01:00")
    assert set(screen.COLOURS) >= {one.name.lower() for one in Status}


COMPLETE = {
    "bash": """source /dev/stdin <<<"$SCRIPT"
        COMP_WORDS=(watchkeeper $WORDS ""); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMP_WORDS[COMP_CWORD]="$CURRENT"
        _watchkeeper; printf '%s\\n' "${COMPREPLY[@]}" """,
    "fish": """echo "$SCRIPT" | source; complete -C "watchkeeper $WORDS $CURRENT" """,
}


@pytest.mark.parametrize("shell", ["bash", "fish"])
@pytest.mark.parametrize(
    ("message", "current", "found"),
    [("", "mon", "monitors"), ("check", "webs", "website"), ("status", "--js", "--json"), ("completion", "zs", "zsh")],
)
def test_a_shell_completes_commands_types_and_options(
    shell: str, message: str, current: str, found: str, capsys: pytest.CaptureFixture[str]
) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"needs {shell}: apt-get install {shell}")
    assert cli.main(["completion", shell]) == 0
    environ = {
        "SCRIPT": capsys.readouterr().out,
        "WORDS": message,
        "CURRENT": current,
        "PATH": "/usr/bin:/bin",
        "HOME": "/tmp",
    }
    run = subprocess.run([program, "-c", COMPLETE[shell]], env=environ, capture_output=True, text=True, check=True)
    assert found in [line.split("\t")[0] for line in run.stdout.splitlines()], run.stderr


def test_zsh_takes_the_script(capsys: pytest.CaptureFixture[str]) -> None:
    program = shutil.which("zsh")
    if program is None:
        pytest.skip("needs zsh: apt-get install zsh")
    assert cli.main(["completion", "zsh"]) == 0
    script = f"autoload -U compinit && compinit -u -D\n{capsys.readouterr().out}\nprint -- $_comps[watchkeeper]"
    run = subprocess.run([program, "-f", "-c", script], capture_output=True, text=True, check=True)
    assert "_bash_complete" in run.stdout
