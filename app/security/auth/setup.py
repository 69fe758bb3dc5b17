"""Requires the set-up token for creating the first user, wherever the request seems to come from.

Nothing in a request proves that it was made on this machine: a reverse proxy on loopback may add no header.
"""

import hmac

from app import setup_token
from app.settings import Settings

SETUP_TOKEN_REQUIRED = (
    "There is no user yet, so the first one needs the right `setup_token`."
    f" `watchkeeper up` prints it, and it is in the file {setup_token.FILE_NAME} of the data directory."
)


def is_setup_token(settings: Settings, given: str | None) -> bool:
    """Whether this is the set-up token."""
    return hmac.compare_digest((given or "").encode(), setup_token.get_token(settings).encode())
