"""The set-up token, which allows the registration of the first user.

It is a file in the data directory, and is deleted after that registration. The supervisor uses this module, so it
imports nothing that costs memory.
"""

import os
from base64 import urlsafe_b64encode
from pathlib import Path

from app.settings import Settings

FILE_NAME = "setup.token"
TOKEN_BYTES = 24  # 192 bits, which fit on a line


def get_token(settings: Settings) -> str:
    """The token; the first call creates it."""
    path = settings.data_dir / FILE_NAME
    if not path.exists():
        _create_token(path)
    return path.read_text(encoding="ascii").strip()


def delete_token(settings: Settings) -> None:
    """Delete the token: the first user is registered."""
    (settings.data_dir / FILE_NAME).unlink(missing_ok=True)


def instructions(settings: Settings) -> str | None:
    """A line for the terminal while there is a token; None without one."""
    path = settings.data_dir / FILE_NAME
    if not path.exists():
        return None
    return f'register the first user with "setup_token": "{get_token(settings)}" (kept in {path})'


def _create_token(path: Path) -> None:
    """Write it to a temporary file and link it: nobody reads a partial token, and the first one wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.urandom(8).hex()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(urlsafe_b64encode(os.urandom(TOKEN_BYTES)).decode() + "\n")
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink()
