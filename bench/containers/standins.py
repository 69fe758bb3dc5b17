"""Base images where none can be pulled: made of a bootstrapped Debian 12 and of packages that were fetched before."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from bench.containers.engine import Engine
from bench.programs import ROOT

HERE = Path(__file__).parent / "standins"
SUITE = "bookworm"
PACKAGES = ("ca-certificates", "gosu", "postgresql-15", "python3", "python3-pip", "python3-venv", "redis-server")
LOCKS = ("requirements.lock", "requirements-bootstrap.lock", "requirements-build.lock")
BACKENDS = ("setuptools", "wheel")  # of what is only there as source
EARLIER = re.compile(
    r"^(\S+==\S+) ; python_full_version < ", re.MULTILINE
)  # what Debian's Python needs, and ours may not
TAGS = {"postgres": "postgres:15-alpine", "valkey": "valkey/valkey:8-alpine"}


def _mirror() -> str:
    """Where this machine's own apt fetches Debian's packages from."""
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)"], check=True, capture_output=True, text=True
    )
    found = [line.split()[0] for line in listed.stdout.splitlines() if line.split()[1:] == [SUITE]]
    if not found:
        raise SystemExit(f"apt-get knows no packages of Debian's {SUITE} here: run this on Debian 12.")
    return found[0]


def fetch(place: Path) -> None:
    """Fetch what images are made of into `place`; what is there already stays."""
    root, wheels, stamp = place / "root", place / "wheels", place / "locks"
    locks = "".join((ROOT / lock).read_text() for lock in LOCKS)
    if not stamp.exists() or stamp.read_text() != locks:
        for stale in (wheels, place / "run"):
            shutil.rmtree(stale, ignore_errors=True)
    if not (root / "usr" / "bin" / "python3").exists():
        shutil.rmtree(root, ignore_errors=True)
        include = f"--include={','.join(PACKAGES)}"
        subprocess.run(["debootstrap", "--variant=minbase", include, SUITE, root, _mirror()], check=True)
    if not wheels.exists():
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(wheels)]
        for lock in LOCKS:
            subprocess.run([*pip, "--require-hashes", "-r", ROOT / lock], check=True)
        subprocess.run([*pip, *BACKENDS, *EARLIER.findall(locks)], check=True)
        stamp.write_text(locks)


def base_of_the_image() -> str:
    """The base image that our Dockerfile names."""
    found = re.search(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    if found is None:
        raise RuntimeError("the Dockerfile has no FROM")
    return found[1]


def make(engine: Engine, place: Path) -> None:
    """Make the images, under the names that our files use."""
    archive = place / "root.tar"
    subprocess.run(
        ["tar", "-C", place / "root", "--exclude=./proc/*", "--exclude=./sys/*", "-cf", archive, "."], check=True
    )
    engine.docker("import", archive, "standin/debian")
    archive.unlink()
    context = place / "standins"
    shutil.rmtree(context, ignore_errors=True)
    shutil.copytree(HERE, context)
    (place / "wheels").rename(context / "wheels")
    try:
        for name, tag in {"python": base_of_the_image(), **TAGS}.items():
            engine.docker("build", "-q", "-t", tag, "-f", context / f"{name}.Dockerfile", context)
    finally:
        (context / "wheels").rename(place / "wheels")
