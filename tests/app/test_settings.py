"""Settings come from the environment, `.env` and a secrets file; wrong ones are named, all at once."""

import re
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from app import env_file, settings
from app.env_vars import VARIABLES, Rate
from app.settings import BadSettings

OPERATE = Path(__file__).parents[2] / "docs" / "operate.md"
ROW = re.compile(r"^\| `(?P<name>[A-Z_]+)` \|(?P<default>[^|]*)\|", re.MULTILINE)


def test_with_nothing_set_the_embedded_default_runs(tmp_path: Path) -> None:
    found = settings.read_settings({}, tmp_path)
    assert found.db_type == "sqlite"
    assert found.db_path == str(tmp_path / "data" / "watchkeeper.sqlite3")
    assert found.redis_embedded
    assert settings.socket_path(found.redis_url) == tmp_path / "data" / "valkey.sock"
    assert (found.server_host, found.server_port) == ("127.0.0.1", 8034)


def test_the_environment_wins_over_dotenv_which_wins_over_the_secrets_file(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "watchkeeper.env").write_text("TZ=Europe/Oslo\nLOG_LEVEL=error\nSERVER_PORT=3")
    (tmp_path / ".env").write_text("LOG_LEVEL=warn\nSERVER_PORT=2")
    found = settings.read_settings({"SERVER_PORT": "1"}, tmp_path)
    assert (found.server_port, found.log_level, found.tz) == (1, "warn", "Europe/Oslo")


def test_another_secrets_file_can_be_named_and_must_then_exist(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("API_SECRET_KEY='sixteen characters!'")
    assert settings.read_settings({"SECRETS_FILE": "other"}, tmp_path).api_secret_key == "sixteen characters!"
    with pytest.raises(BadSettings, match="SECRETS_FILE: there is no file"):
        settings.read_settings({"SECRETS_FILE": "absent"}, tmp_path)


def test_an_empty_value_counts_as_absent(tmp_path: Path) -> None:
    assert settings.read_settings({"SERVER_PORT": "", "REDIS_HOST": ""}, tmp_path) == settings.read_settings(
        {}, tmp_path
    )


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("SERVER_PORT", "0", "must be a whole number from 1 to 65535, not '0'"),
        ("SERVER_PORT", "eight", "must be a whole number"),
        ("SERVER_PORT", "٣", "must be a whole number"),
        ("MODE", "production", "must be one of dev, prod, test, not 'production'"),
        ("LOG_LEVEL", "loud", "must be one of debug, info, warn, error"),
        ("TZ", "Mars/Olympus", "must be a time zone"),
        ("TZ", "../../etc/passwd", "must be a time zone"),
        ("CLIENT_URL", "localhost:3000", "must be an address"),
        ("DB_TYPE", "oracle", "must be one of sqlite, postgres, cockroach"),
        ("DB_TYPE", "mysql", "is not supported; use sqlite, postgres or cockroach, not 'mysql'"),
        ("DB_TYPE", "mongo", "is not supported"),
        ("DB_TYPE", "mongodb", "is not supported"),
        ("DB_SSLMODE", "maybe", "must be one of disable"),
        ("REDIS_DB", "16", "must be a whole number from 0 to 15"),
        ("REDIS_URL", "http://cache", "must begin with redis://, rediss:// or unix://"),
        ("QUEUE_CONCURRENCY", "-1", "must be a whole number"),
        ("PRODUCER_CONCURRENCY", "129", "must be a whole number from 1 to 128"),
        ("BRUTEFORCE_WINDOW", "1 fortnight", "must be a duration"),
        ("BRUTEFORCE_LOCKOUT", "500ms", "must be a duration in whole seconds"),
        ("RATE_LIMIT_READ", "fast", "must be a rate like 600/m or 100/10s, or 0 for no limit, not 'fast'"),
        ("RATE_LIMIT_READ", "600", "must be a rate"),
        ("RATE_LIMIT_READ", "0/m", "must be a rate"),
        ("RATE_LIMIT_READ", "600/", "must be a rate"),
        ("REQUEST_TIMEOUT", "0", "must be a duration"),
        ("REGISTRATION_OPEN", "perhaps", "must be true or false"),
        ("API_SECRET_KEY", "short", "must have at least 16 characters"),
    ],
)
def test_a_wrong_value_is_refused_by_name(tmp_path: Path, name: str, value: str, sentence: str) -> None:
    with pytest.raises(BadSettings) as caught:
        settings.read_settings({name: value}, tmp_path)
    assert len(caught.value.lines) == 1
    assert f"{name}: {sentence}" in caught.value.lines[0]


def test_all_wrong_values_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(BadSettings) as caught:
        settings.read_settings({"MODE": "x", "SERVER_PORT": "x", "DB_TYPE": "postgres"}, tmp_path)
    named = {line.partition(":")[0] for line in caught.value.lines}
    assert named == {"MODE", "SERVER_PORT", "DB_HOST", "DB_NAME", "DB_USER"}


def test_a_wrong_secret_is_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(BadSettings) as caught:
        settings.read_settings({"API_ADMIN_TOKEN": "hunter2", "REDIS_URL": "redsi://:hunter2@cache"}, tmp_path)
    assert "hunter2" not in str(caught.value)


SECRETS = [one.name for one in VARIABLES if one.secret]
SECRET = "redis://:hunter2hunter2@h"  # good for every variable but an address of the web
GOOD = {"DEAD_MANS_SWITCH_URL": "https://example.org/hunter2"}


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_may_be_in_a_file_of_its_own(tmp_path: Path, name: str) -> None:
    (tmp_path / "hidden").write_text(f"{GOOD.get(name, SECRET)}\n")
    companions = {"REDIS_HOST": "h"} if name == "REDIS_PASSWORD" else {}
    by_file = settings.read_settings({f"{name}_FILE": "hidden", **companions}, tmp_path)
    assert by_file == settings.read_settings({name: GOOD.get(name, SECRET), **companions}, tmp_path)
    assert by_file != settings.read_settings(companions, tmp_path)


def test_only_trailing_line_ends_are_stripped_from_a_secret_file(tmp_path: Path) -> None:
    (tmp_path / "hidden").write_bytes(b" spaces\nand lines \r\n\n")
    assert settings.read_settings({"DB_PASS_FILE": str(tmp_path / "hidden")}, tmp_path).db_pass == " spaces\nand lines "


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "hidden can't be read: No such file or directory"),
        (b"", "hidden is empty"),
        (b"\n\r\n", "hidden is empty"),
        (b"hunter2\xff", "hidden is not UTF-8 text"),
        (b"hunter2" * 10_000, "hidden has more than 65536 bytes"),
        (b"hunter2\0", "hidden has a zero byte in it"),
    ],
)
def test_a_file_that_holds_no_secret_is_named_with_all_else_that_is_wrong(
    tmp_path: Path, content: bytes | None, sentence: str
) -> None:
    if content is not None:
        (tmp_path / "hidden").write_bytes(content)
    with pytest.raises(BadSettings) as caught:
        settings.read_settings({"API_ADMIN_TOKEN_FILE": "hidden", "MODE": "fast"}, tmp_path)
    assert [line.partition(":")[0] for line in caught.value.lines] == ["API_ADMIN_TOKEN_FILE", "MODE"]
    assert caught.value.lines[0].endswith(sentence)
    assert "hunter2" not in str(caught.value)


def test_a_wrong_secret_from_a_file_is_named_and_not_repeated(tmp_path: Path) -> None:
    (tmp_path / "hidden").write_text("hunter2")
    with pytest.raises(BadSettings) as caught:
        settings.read_settings({"API_ADMIN_TOKEN_FILE": "hidden"}, tmp_path)
    assert caught.value.lines == ["API_ADMIN_TOKEN: must have at least 16 characters"]


def test_a_secret_and_its_file_together_are_refused(tmp_path: Path) -> None:
    (tmp_path / "hidden").write_text("of the file")
    with pytest.raises(BadSettings) as caught:
        settings.read_settings({"DB_PASS": "x", "DB_PASS_FILE": "hidden"}, tmp_path)
    assert caught.value.lines == ["DB_PASS_FILE: DB_PASS is set as well; set one of them"]
    assert settings.read_settings({"DB_PASS": "", "DB_PASS_FILE": "hidden"}, tmp_path).db_pass == "of the file"
    assert settings.read_settings({"DB_PASS": "x", "DB_PASS_FILE": ""}, tmp_path).db_pass == "x"


def test_the_environment_wins_with_a_file_and_over_a_file(tmp_path: Path) -> None:
    (tmp_path / "hidden").write_text("of the file")
    (tmp_path / ".env").write_text("DB_PASS=of .env\nREDIS_HOST=h\nREDIS_PASSWORD_FILE=absent")
    found = settings.read_settings({"DB_PASS_FILE": "hidden", "REDIS_PASSWORD": "ours"}, tmp_path)
    assert (found.db_pass, found.redis_url) == ("of the file", "redis://:ours@h:6379/0")


def test_only_secrets_can_be_read_from_a_file_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "hidden").write_text("warn")
    assert settings.read_settings({"LOG_LEVEL_FILE": "hidden"}, tmp_path).log_level == "info"
    assert {f"{one}_FILE" for one in SECRETS}.isdisjoint(one.name for one in VARIABLES)


def test_secrets_are_not_in_the_repr_of_settings(tmp_path: Path) -> None:
    secret = dict.fromkeys(("API_SECRET_KEY", "API_ADMIN_TOKEN", "DB_PASS"), "hunter2hunter2hunter2")
    found = settings.read_settings({**secret, "REDIS_URL": "redis://:hunter2@cache"}, tmp_path)
    assert "hunter2" not in repr(found)


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("600/m", Rate(600, 60)),
        ("100/10s", Rate(100, 10)),
        ("5/s", Rate(5, 1)),
        ("9/1h30m", Rate(9, 5_400)),
        ("0", None),
    ],
)
def test_rates_are_so_many_in_a_time(tmp_path: Path, text: str, rate: Rate | None) -> None:
    assert settings.read_settings({"RATE_LIMIT_READ": text}, tmp_path).rate_limit_read == rate


@pytest.mark.parametrize(
    ("text", "seconds"), [("1m", 60), ("90", 90), ("90s", 90), ("1h30m", 5400), ("1d", 86_400), ("1.5m", 90)]
)
def test_durations_are_whole_seconds(tmp_path: Path, text: str, seconds: int) -> None:
    assert settings.read_settings({"BRUTEFORCE_WINDOW": text}, tmp_path).bruteforce_window_s == seconds


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({"REDIS_HOST": "cache"}, "redis://cache:6379/0"),
        (
            {"REDIS_HOST": "cache", "REDIS_PORT": "7", "REDIS_DB": "3", "REDIS_PASSWORD": "a/b@c"},
            "redis://:a%2Fb%40c@cache:7/3",
        ),
        ({"REDIS_HOST": "::1"}, "redis://[::1]:6379/0"),
        ({"REDIS_URL": "rediss://cache:1/2", "REDIS_HOST": "other"}, "rediss://cache:1/2"),
    ],
)
def test_a_redis_that_is_named_is_used(tmp_path: Path, environ: dict[str, str], url: str) -> None:
    found = settings.read_settings(environ, tmp_path)
    assert (found.redis_url, found.redis_embedded) == (url, False)


@pytest.mark.parametrize(("kind", "port"), [("postgres", 5432), ("cockroach", 26257)])
def test_a_database_server_has_its_usual_port(tmp_path: Path, kind: str, port: int) -> None:
    found = settings.read_settings({"DB_TYPE": kind, "DB_HOST": "h", "DB_NAME": "n", "DB_USER": "u"}, tmp_path)
    parts = found.postgres_dsn_parts()
    assert (parts["host"], parts["port"], parts["password"], parts["ssl"]) == ("h", port, None, "prefer")


def test_a_sqlite_file_can_be_named(tmp_path: Path) -> None:
    assert settings.read_settings({"DB_NAME": "mine.db"}, tmp_path).db_path == str(tmp_path / "mine.db")


def test_a_long_data_directory_gets_a_short_socket(tmp_path: Path) -> None:
    listen = settings.socket_path(settings.read_settings({"DATA_DIR": "x" * 120}, tmp_path).redis_url)
    assert len(str(listen)) <= settings.SOCKET_PATH_BYTES


def test_a_secret_key_is_made_once_for_all_processes_and_for_the_owner_only(tmp_path: Path) -> None:
    plain = settings.read_settings({}, tmp_path)
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(lambda _: settings.with_secret_key(plain).api_secret_key, range(16)))
    assert len(made) == 1
    assert len(made.pop()) >= 43
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["secret.key"]
    assert stat.S_IMODE((tmp_path / "data" / "secret.key").stat().st_mode) == 0o600


def test_a_configured_secret_key_stays(tmp_path: Path) -> None:
    configured = replace(settings.read_settings({}, tmp_path), api_secret_key="k" * 16)
    assert settings.with_secret_key(configured) is configured
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=b", "b"),
        ("export A=b", "b"),
        ("  A = b c  # why", "b c"),
        ("A=b#c", "b#c"),
        ('A="b # \\"c\\"\\n" # why', 'b # "c"\n'),
        ("A='b\\n'", "b\\n"),
        ("A=", ""),
        ("A= # why", ""),
        ("A=b=c", "b=c"),
        ("A=a\nA=b", "b"),
        ('A="b\nc"', "b\nc"),
        ("A=${HOME}", "${HOME}"),
        ('A="$HOME"', "$HOME"),
    ],
)
def test_a_line_of_a_file_is_read_as_a_shell_would(line: str, value: str) -> None:
    assert env_file.parse(f"# comment\n\n{line}\n") == {"A": value}


@pytest.mark.parametrize("line", ["A", "1A=b", "A-B=b", "Ä=b", "'A'b=c", 'A="b', "A='b' c", "=b", "export A"])
@pytest.mark.parametrize("before", ["TZ=UTC\n", "\n", "# why\n", "  \r\n"])
def test_a_line_that_is_none_is_refused_with_its_number_and_without_its_text(
    tmp_path: Path, line: str, before: str
) -> None:
    path = tmp_path / ".env"
    path.write_text(f"{before}{line}\nTZ=UTC\n", newline="")
    with pytest.raises(BadSettings) as caught:
        settings.read_settings({}, tmp_path)
    assert caught.value.lines == [f"{path}: line 2 is not KEY=value"]


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadSettings, match="is not UTF-8 text"):
        settings.read_settings({}, tmp_path)


@given(st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="\\\"'#")))
def test_a_quoted_value_is_read_as_it_stands(value: str) -> None:
    assert env_file.parse(f'A="{value}"') == env_file.parse(f"A='{value}'") == {"A": value}


def test_the_table_of_settings_in_the_docs_is_the_one_in_the_code() -> None:
    documented = {row["name"]: row["default"].strip().strip("`") for row in ROW.finditer(OPERATE.read_text())}
    assert documented == {one.name: one.default for one in VARIABLES}


def test_the_docs_name_every_secret_that_may_be_in_a_file() -> None:
    sentence = OPERATE.read_text().partition("This works for ")[2].partition(". ")[0]
    assert re.findall(r"`(\w+)`", sentence) == SECRETS
