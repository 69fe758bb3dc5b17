"""What stands around the code holds together: locks, recipes, containers, the README's two commands."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.variables import VARIABLES

TOP = Path(__file__).parents[1]
RUN, TEST = (
    "python3 -m venv .venv && .venv/bin/pip install -q --require-hashes -r requirements-bootstrap.lock"
    " && .venv/bin/just " + end
    for end in ("up", "test")
)
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-bootstrap.lock", "requirements-build.lock")


def words(text: str) -> str:
    """A distribution's name as an index knows it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=;~! ]", text)[0]).lower()


def locked(name: str) -> set[str]:
    return {words(line) for line in (TOP / name).read_text().splitlines() if re.match(r"[a-z0-9]", line, re.IGNORECASE)}


@pytest.fixture
def project() -> dict[str, Any]:
    return tomllib.loads((TOP / "pyproject.toml").read_text())


@pytest.fixture
def services() -> dict[str, Any]:
    return dict(yaml.safe_load((TOP / "compose.yaml").read_text())["services"])


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_has_a_hash_for_everything_and_names_no_host(name: str) -> None:
    text = (TOP / name).read_text()
    pins = re.split(r"\n(?=\S)", text)
    assert all("--hash=sha256:" in pin for pin in pins)
    assert "://" not in text
    assert "--index" not in text


def test_what_the_project_needs_is_locked(project: dict[str, Any]) -> None:
    needed = {words(one) for one in project["project"]["dependencies"]}
    assert needed <= locked("requirements.lock") <= locked("requirements-dev.lock")
    assert {words(one) for one in project["dependency-groups"]["dev"]} <= locked("requirements-dev.lock")


INSTALLS = (
    "README.md",
    "CONTRIBUTING.md",
    "docs/start.md",
    "Dockerfile",
    "justfile",
    "deploy/systemd/watchkeeper.service",
)


@pytest.mark.parametrize("name", INSTALLS)
def test_whatever_is_installed_is_pinned_by_its_hash(name: str) -> None:
    text = (TOP / name).read_text().replace("\\\n", " ")
    installs = re.findall(r"pip install[^\n&;]*", text)
    assert installs
    assert all("--require-hashes" in one or "--no-deps" in one for one in installs)


def test_the_image_builds_on_an_exact_version() -> None:
    bases = re.findall(r"^FROM (\S+)", (TOP / "Dockerfile").read_text(), re.MULTILINE)
    assert bases
    assert all(re.fullmatch(r"python:3\.11\.\d+-slim-\w+", base) for base in bases)


def test_the_image_has_bytecode_and_says_what_it_is() -> None:
    text = (TOP / "Dockerfile").read_text()
    assert text.index("UV_COMPILE_BYTECODE=1") < text.index("uv pip install")
    assert {"title", "description", "licenses", "authors"} <= set(
        re.findall(r"org\.opencontainers\.image\.(\w+)=", text)
    )


def test_the_image_is_given_all_that_the_wheel_is_made_of(project: dict[str, Any]) -> None:
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {*wheel["only-include"], *wheel["shared-data"], *project["project"]["license-files"], "pyproject.toml"}
    copies = re.findall(r"^COPY (?!--)(.+) \S+$", (TOP / "Dockerfile").read_text(), re.MULTILINE)
    let_in = {line[1:] for line in (TOP / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert needed <= {name for line in copies for name in line.split()} == let_in


def test_the_readme_runs_it_and_tests_it_with_one_command_each() -> None:
    lines = (TOP / "README.md").read_text().splitlines()
    assert (lines.count(RUN), lines.count(TEST)) == (1, 1)
    assert lines.index(RUN) < 25


def test_every_recipe_says_what_it_does() -> None:
    lines = (TOP / "justfile").read_text().splitlines()
    recipes = [number for number, line in enumerate(lines) if re.match(r"[a-z_]+.*:(?!=)", line)]
    assert len(recipes) > 10
    assert [lines[number] for number in recipes if not lines[number - 1].startswith("# ")] == []


def test_every_service_of_the_compose_file_has_a_health_check(services: dict[str, Any]) -> None:
    assert set(services) == {"api", "scheduler", "worker", "redis", "postgres"}
    assert [name for name, service in services.items() if not service["healthcheck"]["test"]] == []


@pytest.mark.parametrize("name", ["api", "scheduler", "worker"])
def test_the_compose_file_sets_only_variables_there_are(services: dict[str, Any], name: str) -> None:
    assert set(services[name]["environment"]) <= {one.name for one in VARIABLES}


def test_the_compose_file_holds_no_password(services: dict[str, Any]) -> None:
    given = [service["environment"] for service in services.values()]
    secrets = [value for one in given for name, value in one.items() if re.search("PASS|KEY|TOKEN", name)]
    assert secrets
    assert all(value.startswith("${") for value in secrets)


@pytest.mark.parametrize("room", ["actors.worker", "actors.schedule"])
def test_who_serves_no_requests_loads_no_web_framework(room: str) -> None:
    script = f"import sys, {room}; sys.exit('litestar' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], cwd=TOP, check=False).returncode == 0


def test_the_api_starts_without_what_few_requests_need(tmp_path: Path) -> None:
    script = "import sys, app.main; app.main.create_app(); print(*sys.modules)"
    environ = {**os.environ, "DATA_DIR": str(tmp_path)}
    loaded = subprocess.check_output([sys.executable, "-c", script], cwd=TOP, env=environ, text=True).split()
    assert not {"pydantic", "aiohttp", "authlib", "webauthn", "jsonpath", "zxcvbn"} & set(loaded)
