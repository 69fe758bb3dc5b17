"""The set-up token: who shows it becomes the first user.

It lies in the data directory, for whoever may read that, and goes with the first user. The parent of all processes
stands on this module: it imports nothing that costs memory.
"""

import os
from base64 import urlsafe_b64encode
from pathlib import Path

from app.settings import Settings

FILE_NAME = "setup.token"
TOKEN_BYTES = 24  # 192 bits: nobody guesses it, and it fits into a line


def get_token(settings: Settings) -> str:
    """The token, made by whoever asks first."""
    path = settings.data_dir / FILE_NAME
    if not path.exists():
        _create_token(path)
    return path.read_text(encoding="ascii").strip()


def delete_token(settings: Settings) -> None:
    """Delete it: there is a first user."""
    (settings.data_dir / FILE_NAME).unlink(missing_ok=True)


def instructions(settings: Settings) -> str | None:
    """What to tell the person at the terminal while there is a token; None when there is none."""
    path = settings.data_dir / FILE_NAME
    if not path.exists():
        return None
    return f'register the first user with "setup_token": "{get_token(settings)}" (kept in {path})'


def _create_token(path: Path) -> None:
    """Write it beside its place and link it there: nobody ever sees half of it, and the first one stays."""
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
