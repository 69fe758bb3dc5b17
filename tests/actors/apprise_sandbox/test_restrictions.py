"""What a process inside the sandbox can no longer do."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TRIES = {
    "open a socket": "import socket; socket.socket()",
    "pair sockets": "import socket; socket.socketpair()",
    "connect": "import socket; socket.create_connection(('127.0.0.1', 9))",
    "resolve a name": "import socket; socket.getaddrinfo('localhost', 80)",
    "call by urllib": "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9/')",
    "call by urllib3": "import urllib3; urllib3.PoolManager(retries=False).request('GET', 'http://127.0.0.1:9/')",
    "send a letter": "import smtplib; smtplib.SMTP('127.0.0.1', 9)",
    "run a program": "import subprocess; subprocess.run(['true'])",
    "run a shell": "import os; os.system('true')",
    "become another program": "import os; os.execv('/bin/true', ['true'])",
    "fork": "import os; os.fork()",
    "spawn": "import os; os.posix_spawn('/bin/true', ['true'], {})",
    "signal others": "import os; os.kill(os.getppid(), 0)",
    "read a file": "open('/etc/passwd')",
    "read a file by its descriptor": "import os; os.open('/etc/passwd', os.O_RDONLY)",
    "read the worker's surroundings": "import os; open(f'/proc/{os.getppid()}/environ')",
    "climb out of the libraries": "import json; open(json.__file__ + '/../../../../../../../../../../etc/passwd')",
    "read our own other modules": f"open({str(ROOT / 'app' / 'settings.py')!r})",
    "write a file": "open('/tmp/caged', 'w')",
    "write into the libraries": "import sysconfig; open(sysconfig.get_path('purelib') + '/caged', 'w')",
    "list a folder": "import os; os.listdir('/etc')",
    "remove a file": "import os; os.remove('/tmp/caged')",
    "load a C library": "import ctypes; ctypes.CDLL('libc.so.6')",
    "eat memory": "bytearray(2 << 30)",
}
STILL = {
    "read a library": "import json.tool, zipfile",
    "know a time zone": "import zoneinfo; zoneinfo.ZoneInfo('Europe/Berlin')",
    "draw lots": "import secrets; secrets.token_hex()",
    "sign": "from cryptography.hazmat.primitives.asymmetric import ed25519 as e; e.Ed25519PrivateKey.generate()",
}
PROBE = """
import sys; sys.path.insert(0, sys.argv[1])
import json, cryptography, urllib3, requests
from actors.apprise_sandbox import restrictions
tries, results = json.loads(sys.argv[2]), {}
restrictions.set_limits()
restrictions.deny_access()
for name, code in tries.items():
    try:
        exec(code, {})
        results[name] = "done"
    except BaseException as error:
        results[name] = type(error).__name__
print(json.dumps(results))
"""


@cache
def tried() -> dict[str, str]:
    """What came of each try; all of them in one process."""
    ran = subprocess.run(
        [sys.executable, "-I", "-B", "-c", PROBE, str(ROOT), json.dumps(TRIES | STILL)],
        check=True,
        capture_output=True,
        env={},
    )
    found: dict[str, str] = json.loads(ran.stdout)
    return found


@pytest.mark.parametrize("name", TRIES)
def test_the_sandbox_blocks_access(name: str) -> None:
    assert tried()[name] in {"SandboxAccessDenied", "MemoryError", "ImportError", "NewConnectionError", "URLError"}


@pytest.mark.parametrize("name", STILL)
def test_the_sandbox_allows_what_services_need(name: str) -> None:
    assert tried()[name] == "done"


CHANGED = """
import sys; sys.path.insert(0, sys.argv[1])
import pathlib, this_is_found
from actors.apprise_sandbox import restrictions
pathlib.Path(sys.argv[2], "new").touch()
restrictions.deny_access()
import json.tool, zipfile
print(restrictions.denied)
"""


def test_a_folder_of_ours_that_is_changed_is_not_looked_through_again(tmp_path):
    (tmp_path / "this_is_found.py").touch()
    (tmp_path / "actors").symlink_to(ROOT / "actors")
    os.utime(tmp_path, (0, 0))  # another time than the one after the change, however coarse the clock
    command = [sys.executable, "-I", "-B", "-c", CHANGED, str(tmp_path), str(tmp_path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd="/", env={})
    assert done.stdout == "[]\n"
