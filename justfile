# Everything there is to do with Watchkeeper. `just --list` shows the recipes.

set shell := ["sh", "-euc"]
set positional-arguments

python := ".venv/bin/python"
uv := ".venv/bin/uv"

# Format, lint, types, imports, tests: what a change must pass.
default: check

# Run everything here, with nothing to configure: http://127.0.0.1:8034
up *args: _install
    @exec {{ python }} -m app.cli up "$@"

# Run the tests; arguments go to pytest.
test *args: _install_dev
    @{{ python }} -m pytest -n auto --dist worksteal "$@"

# Look for what the tests miss: twenty times as many examples, others each time; arguments go to pytest.
search *args: _install_dev
    @SEARCH=1 {{ python }} -m pytest -n auto --dist worksteal --timeout 3000 "$@"

# Install the OpenID provider that tests of signing in run, with node and npm.
oidc-provider:
    @npm install --silent --no-audit --no-fund --no-package-lock --prefix .venv/oidc-provider oidc-provider@9

# Format, lint, types, imports, tests: what a change must pass.
check: _install_dev
    .venv/bin/ruff format --check .
    .venv/bin/ruff check .
    .venv/bin/mypy
    .venv/bin/lint-imports
    @{{ python }} -m pytest -n auto --dist worksteal

# Format the code and mend what can be mended by itself.
fmt: _install_dev
    .venv/bin/ruff check --fix-only .
    .venv/bin/ruff format .

# Lint, and check who imports whom.
lint: _install_dev
    .venv/bin/ruff format --check .
    .venv/bin/ruff check .
    .venv/bin/lint-imports

# Check the types, strictly.
types: _install_dev
    .venv/bin/mypy

# Install the optional library that a type of monitor needs, such as `just extra mysql`; then restart.
extra name: _install
    @{{ uv }} pip install -q --python {{ python }} --require-hashes -c requirements-dev.lock -r pyproject.toml --extra "$1"

# Bring the database up to this version.
migrate: _install
    @{{ python }} -m app.cli migrate

# Seal every stored secret with a new key; `--forget` drops the old one afterwards.
rotate-key *args: _install
    @{{ python }} -m app.cli rotate-key "$@"

# Measure; a name (`just bench p3`) runs one figure.
bench *args: _install_dev
    @{{ python }} -m bench "$@"

# Break things on purpose and count what was lost or doubled; a name (`just faults kill`) runs one.
faults *args: _install_dev
    @{{ python }} -m bench.faults "$@"

# Hold every operation of the API against its document, as nobody and as admin; `just fuzz --seconds 3600` looks longer.
fuzz *args: _install_dev
    @{{ python }} -m bench.fuzz "$@"

# Generate, compile and run clients of the API's document; a name (`just clients openapi-typescript`) tries one.
clients *args: _install_dev
    @{{ python }} -m bench.clients "$@"

# Lint the API's document.
lint-api *args: _install_dev
    @{{ python }} -m bench.clients.lint "$@"

# Build the image and run compose.yaml on a Docker Engine started for that; needs root, docker.io and debootstrap.
containers *args: _install_dev
    @{{ python }} -m bench.containers "$@"

# Say what is wrong with this installation; `just doctor --history` counts missing and doubled slots.
doctor *args: _install
    @{{ python }} -m app.cli doctor "$@"

# Let a lost admin in again, with a new password: `just recover-admin me@example.org`
recover-admin login: _install
    @{{ python }} -m app.cli recover-admin "$1"

# Sign tokens with a new key; nobody is signed out.
rotate-signing-key: _install
    @{{ python }} -m app.cli rotate-signing-key
# Check that nobody changed the audit log.
audit-verify: _install
    @{{ python }} -m app.cli audit-verify

# Write down which services the installed Apprise knows, for the catalogue and its page.
services: _install_dev
    @{{ python }} -m actors.apprise_sandbox.catalogue

# Choose the newest versions that fit and write them down, with hashes.
lock:
    {{ uv }} pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
        -o requirements-bootstrap.lock requirements-bootstrap.in
    {{ uv }} pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
        -o requirements-build.lock requirements-build.in
    {{ uv }} pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
        -o requirements.lock pyproject.toml
    {{ uv }} pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
        -c requirements.lock --group dev --all-extras -o requirements-dev.lock pyproject.toml

# Write down what generators of clients are installed with, hashes too; of npm the versions stand in each package.json.
lock-clients:
    for list in bench/clients/*/*.in; do {{ uv }} pip compile -q --upgrade --universal --python-version 3.11 \
        --generate-hashes --no-header --no-annotate -o "${list%.in}.lock" "$list"; done
    for list in bench/clients/*/package.json; do npm install --prefix "${list%/*}" --package-lock-only \
        --omit-lockfile-registry-resolved --no-audit --no-fund; done
    {{ python }} -m bench.clients.addresses bench/clients/*/package-lock.json

# Install what runs, if the lock changed since the last time.
_install:
    @cmp -s requirements.lock .venv/installed.lock || { \
        {{ uv }} pip install -q --python {{ python }} --require-hashes -r requirements.lock \
        && cp requirements.lock .venv/installed.lock; }

# Install what tests, if the lock changed since the last time.
_install_dev:
    @cmp -s requirements-dev.lock .venv/installed-dev.lock || { \
        {{ uv }} pip install -q --python {{ python }} --require-hashes -r requirements-dev.lock \
        && cp requirements.lock .venv/installed.lock && cp requirements-dev.lock .venv/installed-dev.lock; }
