"""The README's ten steps work, run from its own text against a product that was started as it describes."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.processes import child
from app.settings import Settings
from bench.ports import unused_port

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
RUN, TEST = (
    "python3 -m venv .venv && .venv/bin/pip install -q --require-hashes -r requirements-bootstrap.lock"
    f" && .venv/bin/just {recipe}"
    for recipe in ("up", "test")
)
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
STEP = re.compile(r"^\*\*(\d+)\. (?:.*?)^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)

# What a newcomer sees after each step; the second one is silent.
EXPECTED_OUTPUT = {
    1: r'"is_admin":true,"role":"admin"',
    2: r"^$",
    3: r"^Serving HTTP on",
    4: r'"name":"My server","type":"http"',
    5: r'"status":1,.*"msg":"200 OK"',
    6: r'{"type":"subscribed","channels":\["heartbeats","events"\]',
    7: r"The receiver is ready\.",
    8: r'RECEIVED {"event":"channel.test"[^\0]*"message":"The test was delivered."',
    9: r'RECEIVED {"event":"monitor.down",.*"msg":"connection refused","started_at":',
    10: r'RECEIVED {"event":"monitor.up",.*"msg":"200 OK","started_at":.*"duration":(?!0,)[\d.]+,',
}
LIVE = r'(?m)^{{"type":"event",.*"channel":"events",.*"event":"{}"'


class Terminal:
    """A shell that is typed into, and what it shows."""

    def __init__(self, environ: dict[str, str], screen: Path) -> None:
        self._screen = screen
        with screen.open("wb") as out:
            self.shell = subprocess.Popen(
                ["bash"], stdin=subprocess.PIPE, stdout=out, stderr=out, cwd=ROOT, env=environ, start_new_session=True
            )

    def enter(self, text: str, wanted: str, within_s: float) -> bool:
        """Paste a step; returns whether the terminal shows what is wanted in time."""
        assert self.shell.stdin is not None
        begin = self._screen.stat().st_size
        self.shell.stdin.write(text.encode())
        self.shell.stdin.flush()
        return self.shows(wanted, within_s, begin)

    def shows(self, wanted: str, within_s: float, begin: int = 0) -> bool:
        """Whether it shows what is wanted in time, after the first `begin` bytes."""
        deadline = time.monotonic() + within_s
        while not re.search(wanted, self.output(begin)) and time.monotonic() < deadline:
            time.sleep(0.1)
        return bool(re.search(wanted, self.output(begin)))

    def output(self, begin: int = 0) -> str:
        """What it has shown since it had shown `begin` bytes."""
        return self._screen.read_bytes()[begin:].decode(errors="replace")


@pytest.fixture
def product(environ: dict[str, str], database: Settings, tmp_path: Path) -> Iterator[dict[str, str]]:
    """`watchkeeper up` with a Valkey of its own; yields a newcomer's environment."""
    ours = {"PATH": os.environ["PATH"], **environ, "REDIS_URL": "", "DATA_DIR": str(database.data_dir)}
    command, all_of_it = child.own_command("up"), child.environment(ours)
    with subprocess.Popen(command, env=all_of_it, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert any(line.startswith("ready ") for line in process.stdout)
        yield ours
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read().endswith("stopped    everything\n")
    assert process.returncode == 0


@pytest.fixture
def terminal(product: dict[str, str], tmp_path: Path) -> Iterator[Terminal]:
    """A second terminal, in the directory of the checkout. Everything started in it ends with it."""
    opened = Terminal(product, tmp_path / "screen")
    yield opened
    os.killpg(opened.shell.pid, signal.SIGKILL)
    opened.shell.communicate()


def steps() -> dict[int, str]:
    """The README's steps, with ports that are free on this machine."""
    text = README
    for documented in ("9009", "9010"):
        text = text.replace(documented, str(unused_port()))
    return {int(number): script for number, script in STEP.findall(text)}


def test_the_two_commands_are_on_the_first_screen() -> None:
    assert [block.strip() for block in BLOCK.findall(README)[:2]] == [RUN, TEST]
    assert README[: README.index(TEST)].count("\n") < 24


def test_each_command_is_a_recipe_of_the_justfile() -> None:
    recipes = (ROOT / "justfile").read_text(encoding="utf-8")
    assert all(re.search(rf"^{command.split()[-1]} \*args:", recipes, re.MULTILINE) for command in (RUN, TEST))


@pytest.mark.timeout(120)
def test_the_ten_steps_print_the_expected_output(terminal: Terminal) -> None:
    scripts = steps()
    assert list(scripts) == list(EXPECTED_OUTPUT)
    for number, script in scripts.items():
        tries = 5 if number == 5 else 1  # who looks too early looks again
        assert any(terminal.enter(script, EXPECTED_OUTPUT[number], 20) for _ in range(tries)), terminal.output()
    # Live events have a path of their own, which may be the slower one.
    assert all(terminal.shows(LIVE.format(kind), 20) for kind in ("monitor.down", "monitor.up")), terminal.output()
    live = re.findall(LIVE.format("(monitor.down|monitor.up)"), terminal.output())
    assert live == ["monitor.down", "monitor.up"]
