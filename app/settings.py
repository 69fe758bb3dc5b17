"""Reads the environment into one frozen `Settings`. Every process reads it once, at its entry, and passes it on.

The environment wins over `.env`, which wins over the secrets file. An empty value counts as absent. Each of them may
name a file for a secret instead: `DB_PASS_FILE` for `DB_PASS`.
`docs/operate.md` has a table of all variables, which a test compares with `VARIABLES`.
The supervisor uses this module, so it imports nothing that costs memory.
"""

import os
import zlib
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from app import env_file
from app.env_vars import VARIABLES, Rate, Variable

BAD_SETTINGS_EXIT = 78  # EX_CONFIG of sysexits.h: a supervisor need not restart
SOCKET_PATH_BYTES = 100  # Unix socket paths end at 104 (macOS) or 108 bytes (Linux)
SHORT_DIRECTORY = Path("/tmp")  # noqa: S108  # what we create in it is private, or rejected
SQLITE_FILE = "watchkeeper.sqlite3"
KEY_FILE = "secret.key"
SECRET_FILE_SUFFIX = "_FILE"  # noqa: S105  # after the name of a secret variable: the file that contains it
POSTGRES_PORTS = {"postgres": 5432, "cockroach": 26257}


class BadSettings(Exception):  # noqa: N818  # reads well without Error
    """Every invalid variable, a line each, with what would be right."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("; ".join(lines))
        self.lines = lines


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """All settings. Secrets are left out of the repr."""

    data_dir: Path
    mode: str
    log_level: str
    log_file: Path | None
    health_file: Path | None
    tz: str
    service_name: str
    client_url: str
    server_host: str
    server_port: int
    db_type: str
    db_path: str
    db_host: str
    db_port: int
    db_name: str
    db_user: str
    db_pass: str = field(repr=False)
    db_sslmode: str
    redis_url: str = field(repr=False)
    redis_embedded: bool
    queue_concurrency: int
    check_concurrency: int
    bruteforce_max_attempts: int
    bruteforce_window_s: int
    bruteforce_lockout_s: int
    rate_limit_auth: Rate | None
    rate_limit_read: Rate | None
    rate_limit_write: Rate | None
    rate_limit_run: Rate | None
    live_sockets_per_address: int
    live_sockets_per_user: int
    request_timeout_s: int
    body_timeout_s: int
    api_secret_key: str = field(repr=False)
    api_secret_key_previous: str = field(repr=False)
    api_admin_token: str = field(repr=False)
    registration_open: bool
    connectivity_check_hosts: tuple[tuple[str, int], ...]
    dead_mans_switch_url: str = field(repr=False)
    dead_mans_switch_interval_s: int
    audit_retention_days: int
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...]
    oidc_issuer: str
    oidc_client_id: str
    oidc_client_secret: str = field(repr=False)
    oidc_scopes: str
    oidc_redirect_url: str
    oidc_role_claim: str
    oidc_admin_values: tuple[str, ...]
    oidc_operator_values: tuple[str, ...]
    oidc_auto_create: bool

    def postgres_dsn_parts(self) -> dict[str, Any]:
        """Keyword arguments for asyncpg."""
        return {
            "host": self.db_host,
            "port": self.db_port,
            "database": self.db_name,
            "user": self.db_user,
            "password": self.db_pass or None,
            "ssl": self.db_sslmode,
        }


def read_settings(environ: Mapping[str, str], root: Path) -> Settings:
    """Read all settings, or report every error.

    root    the directory of `.env`, and of a relative DATA_DIR and SECRETS_FILE
    raises  BadSettings
    """
    errors: list[str] = []
    variables = _with_secrets(_merge_layers(environ, root), root, errors)
    values = {variable.name: _parse_value(variable, variables, errors) for variable in VARIABLES}
    errors.extend(_database_errors(values))
    if values["OIDC_ISSUER"] and not values["OIDC_CLIENT_ID"]:
        errors.append("OIDC_CLIENT_ID: must be set when OIDC_ISSUER is")
    if errors:
        raise BadSettings(errors)
    return _build_settings(values, root)


def with_secret_key(settings: Settings) -> Settings:
    """The settings with a secret key: the configured one, or DATA_DIR/secret.key, which the first process creates.

    A second line in the file is the previous key.
    """
    if settings.api_secret_key:
        return settings
    path = settings.data_dir / KEY_FILE
    if not path.exists():
        _make_secret_key(path)
    current, *previous = path.read_text(encoding="ascii").split()
    return replace(settings, api_secret_key=current, api_secret_key_previous="".join(previous[:1]))


def new_secret_key() -> str:
    """A new random key."""
    return urlsafe_b64encode(os.urandom(48)).decode()


def _make_secret_key(path: Path) -> None:
    """Write a key to a temporary file and link it: nobody reads a partial key, and the first key wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.urandom(8).hex()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(new_secret_key() + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink()


def _merge_layers(environ: Mapping[str, str], root: Path) -> dict[str, str]:
    errors: list[str] = []
    dotenv = _read_env_file(root / ".env", errors, must_exist=False)
    secrets_file = environ.get("SECRETS_FILE") or dotenv.get("SECRETS_FILE")
    secrets = _read_env_file(root / (secrets_file or "secrets/watchkeeper.env"), errors, must_exist=bool(secrets_file))
    if errors:
        raise BadSettings(errors)
    merged: dict[str, str] = {}
    for layer in (secrets, dotenv, environ):
        given = {name: value for name, value in layer.items() if value}
        for name in given:  # a secret or its file, from the stronger layer
            merged.pop(
                name.removesuffix(SECRET_FILE_SUFFIX)
                if name.endswith(SECRET_FILE_SUFFIX)
                else name + SECRET_FILE_SUFFIX,
                None,
            )
        merged.update(given)
    return merged


def _with_secrets(variables: Mapping[str, str], root: Path, errors: list[str]) -> dict[str, str]:
    """Add the secrets from files: `DB_PASS` from `DB_PASS_FILE`."""
    complete = dict(variables)
    for name in (one.name for one in VARIABLES if one.secret and one.name + SECRET_FILE_SUFFIX in variables):
        file_variable = name + SECRET_FILE_SUFFIX
        if name in variables:
            errors.append(f"{file_variable}: {name} is set as well; set one of them")
            continue
        try:
            complete[name] = env_file.read_secret(root / variables[file_variable])
        except OSError as error:
            errors.append(f"{file_variable}: {root / variables[file_variable]} can't be read: {error.strerror}")
        except env_file.InvalidSecretFile as error:
            errors.append(f"{file_variable}: {root / variables[file_variable]} {error}")
    return complete


def _read_env_file(path: Path, errors: list[str], *, must_exist: bool) -> dict[str, str]:
    try:
        return env_file.read(path)
    except FileNotFoundError:
        if must_exist:
            errors.append(f"SECRETS_FILE: there is no file {path}")
    except OSError as error:
        errors.append(f"{path}: can't be read: {error.strerror}")
    except env_file.BadLine as error:
        errors.append(f"{path}: {error}")
    return {}


def _parse_value(variable: Variable, variables: Mapping[str, str], errors: list[str]) -> Any:
    text = variables.get(variable.name, variable.default)
    try:
        return variable.parse(text) if text else text
    except ValueError as error:
        shown = "" if variable.secret else f", not {text!r}"
        errors.append(f"{variable.name}: {error}{shown}")
        return None


def _database_errors(values: Mapping[str, Any]) -> Iterator[str]:
    if values["DB_TYPE"] in POSTGRES_PORTS:
        for name in ("DB_HOST", "DB_NAME", "DB_USER"):
            if values[name] == "":
                yield f"{name}: must be set when DB_TYPE is {values['DB_TYPE']}"


def _build_settings(values: Mapping[str, Any], root: Path) -> Settings:
    data_dir = (root / values["DATA_DIR"]).absolute()
    derived = {
        "data_dir": data_dir,
        "log_file": (root / values["LOG_FILE"]).absolute() if values["LOG_FILE"] else None,
        "health_file": (root / values["HEALTH_FILE"]).absolute() if values["HEALTH_FILE"] else None,
        "db_path": str((root / values["DB_NAME"]).absolute() if values["DB_NAME"] else data_dir / SQLITE_FILE),
        "db_port": values["DB_PORT"] or POSTGRES_PORTS.get(values["DB_TYPE"], 0),
        "redis_url": _redis_url(values, data_dir),
        "trusted_proxies": values["TRUSTED_PROXIES"] or (),
        "oidc_admin_values": values["OIDC_ADMIN_VALUES"] or (),
        "oidc_operator_values": values["OIDC_OPERATOR_VALUES"] or (),
        "redis_embedded": not (values["REDIS_URL"] or values["REDIS_HOST"]),
    }
    plain = {one.field: values[one.name] for one in VARIABLES if one.field in Settings.__dataclass_fields__}
    return Settings(**{**plain, **derived})


def _redis_url(values: Mapping[str, Any], data_dir: Path) -> str:
    if values["REDIS_URL"]:
        return str(values["REDIS_URL"])
    if not values["REDIS_HOST"]:
        return f"unix://{quote(str(_embedded_socket(data_dir)))}"
    password = f":{quote(values['REDIS_PASSWORD'], safe='')}@" if values["REDIS_PASSWORD"] else ""
    host = f"[{values['REDIS_HOST']}]" if ":" in values["REDIS_HOST"] else values["REDIS_HOST"]
    return f"redis://{password}{host}:{values['REDIS_PORT']}/{values['REDIS_DB']}"


def socket_path(redis_url: str) -> Path:
    """The path in a `unix://` address."""
    return Path(unquote(urlsplit(redis_url).path))


def _embedded_socket(data_dir: Path) -> Path:
    """The socket of the bundled Valkey: in the data directory, or in /tmp when that path is too long."""
    path = data_dir / "valkey.sock"
    if len(os.fsencode(path)) <= SOCKET_PATH_BYTES:
        return path
    name = f"watchkeeper-{os.getuid()}-{zlib.crc32(os.fsencode(data_dir)):08x}"
    return SHORT_DIRECTORY / name / "valkey.sock"
