"""The bundled Valkey listens on a private socket and keeps what it acknowledged."""

import os
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from app import embedded_valkey


@contextmanager
def running(directory: Path, listen: Path) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(embedded_valkey.build_command(directory, listen)) as server:
        deadline = time.monotonic() + 20
        while not embedded_valkey.is_ready(listen):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        try:
            yield server
        finally:
            server.kill()


@pytest.fixture
def listen(redis_url: str, tmp_path: Path) -> Iterator[Path]:
    """A path short enough for a socket."""
    path = Path(redis_url.removeprefix("unix://")).with_name(f"{tmp_path.name}.sock"[-40:])
    yield path
    path.unlink(missing_ok=True)


def test_acknowledged_data_survives_a_kill(tmp_path: Path, listen: Path) -> None:
    embedded_valkey.prepare_directories(tmp_path / "valkey", listen)
    with running(tmp_path / "valkey", listen) as server, redis.Redis(unix_socket_path=str(listen)) as client:
        client.set("kept", "yes")
        os.kill(server.pid, signal.SIGKILL)
        server.wait()
    with running(tmp_path / "valkey", listen), redis.Redis(unix_socket_path=str(listen)) as client:
        assert client.get("kept") == b"yes"


def test_valkey_evicts_no_keys_and_listens_on_a_private_socket_only(tmp_path: Path, listen: Path) -> None:
    embedded_valkey.prepare_directories(tmp_path / "valkey", listen)
    with running(tmp_path / "valkey", listen), redis.Redis(unix_socket_path=str(listen)) as client:
        assert client.config_get("maxmemory-policy", "port") == {"maxmemory-policy": "noeviction", "port": "0"}
        assert stat.S_IMODE(listen.stat().st_mode) == 0o700


def test_a_missing_server_is_not_ready(listen: Path) -> None:
    assert not embedded_valkey.is_ready(listen)


def test_a_socket_directory_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PermissionError, match="belongs to somebody else"):
        embedded_valkey.prepare_directories(tmp_path / "valkey", tmp_path / "link" / "valkey.sock")


@pytest.fixture
def data_dir(tmp_path: Path, listen: Path) -> Path:
    """A directory with a key in its base and one in the newest part, after a crash."""
    directory = tmp_path / "valkey"
    embedded_valkey.prepare_directories(directory, listen)
    with running(directory, listen), redis.Redis(unix_socket_path=str(listen)) as client:
        client.set("kept", "yes")
        client.bgrewriteaof()
        deadline = time.monotonic() + 20
        while client.info("persistence")["aof_rewrite_in_progress"] or not list(directory.glob("*/*.2.base.*")):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        client.set("newest", "yes")
    return directory


def start_and_end(recovery: embedded_valkey.DataRecovery, directory: Path, listen: Path) -> Path | None:
    """One start that fails; what was set aside for it."""
    recovery.on_start()
    code = subprocess.run(embedded_valkey.build_command(directory, listen), timeout=20, check=False).returncode
    recovery.check_running()
    return recovery.on_exit(code)


def file_of(directory: Path, pattern: str) -> Path:
    return max(directory.glob(f"appendonlydir/{pattern}"))


def empty_the_manifest(directory: Path) -> None:
    file_of(directory, "*.manifest").write_bytes(b"")


def scribble_over_the_manifest(directory: Path) -> None:
    file_of(directory, "*.manifest").write_bytes(bytes(range(100, 180)))


def remove_the_newest_part(directory: Path) -> None:
    file_of(directory, "*.incr.aof").unlink()


def overwrite_the_newest_part(directory: Path) -> None:
    file_of(directory, "*.incr.aof").write_bytes(b"words, not commands\n" * 10)


def remove_the_base(directory: Path) -> None:
    file_of(directory, "*.base.*").unlink()


def overwrite_the_base(directory: Path) -> None:
    file_of(directory, "*.base.*").write_bytes(bytes(range(100)))


def spoil_the_preamble(directory: Path) -> None:
    base = file_of(directory, "*.base.*")
    base.write_bytes(b"REDIS9999" + base.read_bytes()[9:])


def put_a_file_there(directory: Path) -> None:
    shutil.rmtree(directory / "appendonlydir")
    (directory / "appendonlydir").write_text("in the way")


DAMAGES = [
    empty_the_manifest,
    scribble_over_the_manifest,
    remove_the_newest_part,
    overwrite_the_newest_part,
    remove_the_base,
    overwrite_the_base,
    spoil_the_preamble,
    put_a_file_there,
]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda one: one.__name__)
def test_data_that_can_not_be_read_is_set_aside(data_dir: Path, listen: Path, damage: Callable[[Path], None]) -> None:
    damage(data_dir)
    recovery = embedded_valkey.DataRecovery(data_dir, listen)
    asides = [start_and_end(recovery, data_dir, listen)]
    if asides == [None]:
        asides.append(start_and_end(recovery, data_dir, listen))
    assert asides[-1]
    assert (asides[-1] / "appendonlydir").exists()
    with running(data_dir, listen), redis.Redis(unix_socket_path=str(listen)) as client:
        assert client.get("kept") is None


def test_data_of_a_server_that_answered_or_was_killed_stay(data_dir: Path, listen: Path) -> None:
    recovery = embedded_valkey.DataRecovery(data_dir, listen)
    for _ in range(3):
        recovery.on_start()
        with running(data_dir, listen):
            recovery.check_running()
        assert recovery.on_exit(1) is None
    for code in (-signal.SIGKILL, -signal.SIGTERM, 0) * 2:
        recovery.on_start()
        assert recovery.on_exit(code) is None
    with running(data_dir, listen), redis.Redis(unix_socket_path=str(listen)) as client:
        assert (client.get("kept"), client.get("newest")) == (b"yes", b"yes")


@pytest.mark.parametrize("message", embedded_valkey.EXTERNAL_CAUSES, ids=bytes.decode)
def test_data_stay_when_something_else_is_in_the_way(data_dir: Path, listen: Path, message: bytes) -> None:
    recovery = embedded_valkey.DataRecovery(data_dir, listen)
    for _ in range(4):
        recovery.on_start()
        with (data_dir / "valkey.log").open("ab") as log:
            log.write(b"1:M # Can't start: " + message.title() + b"\n")
        assert recovery.on_exit(1) is None


def test_an_old_outage_message_does_not_protect_damaged_data(data_dir: Path, listen: Path) -> None:
    (data_dir / "valkey.log").write_bytes(b"No space left on device\n" * 20)
    empty_the_manifest(data_dir)
    recovery = embedded_valkey.DataRecovery(data_dir, listen)
    assert start_and_end(recovery, data_dir, listen) is None
    assert start_and_end(recovery, data_dir, listen)


def test_a_server_that_never_starts_does_not_have_its_new_data_set_aside_again(data_dir: Path, listen: Path) -> None:
    empty_the_manifest(data_dir)
    recovery = embedded_valkey.DataRecovery(data_dir, listen)
    start_and_end(recovery, data_dir, listen)
    assert start_and_end(recovery, data_dir, listen)
    for _ in range(6):
        recovery.on_start()
        assert recovery.on_exit(1) is None


def test_a_file_in_place_of_its_directory_is_set_aside(tmp_path: Path, listen: Path) -> None:
    (tmp_path / "valkey").write_text("in the way")
    embedded_valkey.prepare_directories(tmp_path / "valkey", listen)
    assert (tmp_path / "valkey").is_dir()
    assert [one.read_text() for one in tmp_path.glob("valkey.unreadable-*")] == ["in the way"]


def test_only_the_newest_backups_are_kept(tmp_path: Path) -> None:
    directory = tmp_path / "valkey"
    directory.mkdir()
    asides = []
    for number in range(6):
        (directory / str(number)).touch()
        asides.append(embedded_valkey.set_aside(directory))
    assert [one.exists() for one in asides] == [False] * 3 + [True] * 3
    assert list(directory.iterdir()) == []
