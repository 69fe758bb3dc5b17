"""The table of signing keys."""

from piccolo.columns import BigInt, Text
from piccolo.table import Table


class SigningKeyRow(Table, tablename="signing_keys"):
    """An encrypted key that signs tokens from `signs_from_ms` on."""

    id = Text(primary_key=True)
    secret = Text()
    signs_from_ms = BigInt()
