"""Where sealed values are stored: every (table, key, column), for whoever seals them anew."""

from typing import NamedTuple


class Place(NamedTuple):
    """A column that holds sealed values, alone or inside of JSON."""

    table: str
    key: str
    column: str


PLACES = (
    Place("monitors", "id", "config"),
    Place("channels", "id", "config"),
    Place("proxies", "id", "config"),
    Place("signing_keys", "id", "secret"),
    Place("peppers", "name", "secret"),
    Place("audit_marks", "name", "seal"),
    Place("idempotency", "id", "reply"),
    Place("totp", "user_id", "secret"),
)
