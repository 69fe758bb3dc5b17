"""The files around the code are consistent: locks, recipes, containers, the README's two commands."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.env_vars import VARIABLES
from bench.containers import given

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


def test_all_dependencies_are_locked(project: dict[str, Any]) -> None:
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
def test_every_pip_install_requires_hashes_or_skips_dependencies(name: str) -> None:
    text = (TOP / name).read_text().replace("\\\n", " ")
    installs = re.findall(r"pip install[^\n&;]*", text)
    assert installs
    assert all("--require-hashes" in one or "--no-deps" in one for one in installs)


def test_the_image_builds_on_an_exact_version() -> None:
    bases = re.findall(r"^FROM (\S+)", (TOP / "Dockerfile").read_text(), re.MULTILINE)
    assert bases
    assert all(re.fullmatch(r"python:3\.11\.\d+-slim-\w+", base) for base in bases)


def test_the_image_has_bytecode_and_labels() -> None:
    text = (TOP / "Dockerfile").read_text()
    assert text.index("UV_COMPILE_BYTECODE=1") < text.index("uv pip install")
    assert {"title", "description", "licenses", "authors"} <= set(
        re.findall(r"org\.opencontainers\.image\.(\w+)=", text)
    )


def test_the_image_contains_all_sources_of_the_wheel(project: dict[str, Any]) -> None:
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {*wheel["only-include"], *wheel["shared-data"], *project["project"]["license-files"], "pyproject.toml"}
    copies = re.findall(r"^COPY (?!--)(.+) \S+$", (TOP / "Dockerfile").read_text(), re.MULTILINE)
    let_in = {line[1:] for line in (TOP / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert needed <= {name for line in copies for name in line.split()} == let_in


def test_the_readme_runs_it_and_tests_it_with_one_command_each() -> None:
    lines = (TOP / "README.md").read_text().splitlines()
    assert (lines.count(RUN), lines.count(TEST)) == (1, 1)
    assert lines.index(RUN) < 25


def test_every_recipe_has_a_comment() -> None:
    lines = (TOP / "justfile").read_text().splitlines()
    recipes = [number for number, line in enumerate(lines) if re.match(r"[a-z_]+.*:(?!=)", line)]
    assert len(recipes) > 10
    assert [lines[number] for number in recipes if not lines[number - 1].startswith("# ")] == []


OURS = ("api", "scheduler", "worker")
INSIDE = {
    "SERVER_HOST",
    "SERVER_PORT",
    "DATA_DIR",
    "LOG_FILE",
    "HEALTH_FILE",
}  # what is about the inside of a container


def test_every_service_of_the_compose_file_has_a_health_check_that_is_light(services: dict[str, Any]) -> None:
    assert set(services) == {*OURS, "redis", "postgres"}
    checks = {name: service["healthcheck"] for name, service in services.items()}
    assert {one["interval"] for one in checks.values()} == {"30s"}
    assert {checks[name]["test"][1] for name in OURS} == {"watchkeeper-health"}
    alive = services["worker"]["environment"]["HEALTH_FILE"]
    assert [checks[name]["test"][2:] for name in OURS] == [[], [alive], [alive]]


@pytest.mark.parametrize("name", OURS)
def test_every_setting_of_dotenv_reaches_a_container(services: dict[str, Any], name: str) -> None:
    assert services[name]["env_file"] == [{"path": ".env", "required": False}]
    set_here = services[name]["environment"]
    assert set(set_here) <= {one.name for one in VARIABLES}
    passed = {one for one, value in set_here.items() if re.match(rf"\$\{{{one}:[-?]", value)}
    assert set(set_here) - passed == INSIDE


def test_no_compose_service_depends_on_another_s_health(services: dict[str, Any]) -> None:
    waits = [one["condition"] for service in services.values() for one in service.get("depends_on", {}).values()]
    assert set(waits) == {"service_started"}
    assert all("migrate --wait && exec" in services[name]["command"][2] for name in OURS)


def test_every_service_of_the_compose_file_is_confined(services: dict[str, Any]) -> None:
    for service in services.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert set(service["logging"]["options"]) == {"max-size", "max-file"}
    assert [name for name in OURS if "cap_add" in services[name]] == []


def test_the_compose_file_publishes_to_this_machine_alone_unless_configured(services: dict[str, Any]) -> None:
    published = [port for service in services.values() for port in service.get("ports", ())]
    assert published == ["${SERVER_HOST:-127.0.0.1}:${SERVER_PORT:-8034}:8034"]


def test_valkey_is_started_by_its_entrypoint_which_steps_down(services: dict[str, Any]) -> None:
    assert services["redis"]["command"][0] == "valkey-server"


def test_the_compose_file_holds_no_password(services: dict[str, Any]) -> None:
    environments = [service["environment"] for service in services.values()]
    secrets = [value for one in environments for name, value in one.items() if re.search("PASS|KEY|TOKEN|AUTH", name)]
    assert secrets
    assert all(value.startswith("${") for value in secrets)


def test_the_trial_of_containers_sets_every_setting() -> None:
    set_ = {name.removesuffix("_FILE") if name == "API_SECRET_KEY_FILE" else name for name in given.VALUES}
    assert set_ == {one.name for one in VARIABLES}
    assert set(given.INSIDE) == INSIDE


UNITS = sorted((TOP / "deploy" / "systemd").iterdir())
HARDENED = """
NoNewPrivileges=yes
CapabilityBoundingSet=
PrivateDevices=yes
PrivateTmp=yes
ProtectSystem=strict
ProtectHome=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
LockPersonality=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
UMask=0077
"""


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_is_confined_and_has_an_end_to_its_memory(unit: Path) -> None:
    lines = unit.read_text().splitlines()
    assert [one for one in HARDENED.split() if one not in lines] == []
    assert [line for line in lines if line.startswith("MemoryMax=")]
    assert "net.ipv4.ping_group_range" in unit.read_text()


def test_the_user_is_made_before_the_files_that_name_it_are_used() -> None:
    for path in (TOP / "deploy" / "logrotate", TOP / "deploy" / "systemd" / "watchkeeper.service"):
        comments = [line for line in path.read_text().splitlines() if line.startswith("#")]
        assert any("useradd --system" in line for line in comments)


@pytest.mark.parametrize("room", ["actors.worker", "actors.schedule"])
def test_the_worker_and_the_scheduler_load_no_web_framework(room: str) -> None:
    script = f"import sys, {room}; sys.exit('litestar' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], cwd=TOP, check=False).returncode == 0


def test_the_api_starts_without_what_few_requests_need(tmp_path: Path) -> None:
    script = "import sys, app.main; app.main.create_app(); print(*sys.modules)"
    environ = {**os.environ, "DATA_DIR": str(tmp_path)}
    loaded = subprocess.check_output([sys.executable, "-c", script], cwd=TOP, env=environ, text=True).split()
    assert not {"pydantic", "aiohttp", "authlib", "webauthn", "jsonpath", "zxcvbn"} & set(loaded)
