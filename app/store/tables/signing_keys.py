"""Rows of signing keys."""

from piccolo.columns import BigInt, Text
from piccolo.table import Table


class SigningKeyRow(Table, tablename="signing_keys"):
    """What tokens are signed with, sealed, and from when on."""

    id = Text(primary_key=True)
    secret = Text()
    signs_from_ms = BigInt()
