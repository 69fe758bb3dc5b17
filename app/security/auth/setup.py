"""Who may become the first user: whoever shows the set-up token, wherever the request seems to come from.

Nothing in a request proves that it was made on this machine: a reverse proxy on loopback may add no header at all.
"""

import hmac

from app import setup_token
from app.errors import Forbidden
from app.settings import Settings

NEEDED = (
    "There is no user yet: send the right `setup_token` as well."
    f" `watchkeeper up` prints it, and it is in the file {setup_token.FILE} of the data directory."
)


def require(settings: Settings, shown: str | None) -> None:
    """Raise Forbidden for who does not show the token."""
    if not hmac.compare_digest((shown or "").encode(), setup_token.token(settings).encode()):
        raise Forbidden(NEEDED)
