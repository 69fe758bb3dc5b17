"""Tables of failed sign-ins, and of addresses from which an account has signed in."""

from piccolo.columns import BigInt, BigSerial, Text
from piccolo.table import Table


class LoginFailureRow(Table, tablename="attempts"):
    """One failed sign-in. `account` is a fingerprint, since users may type their password there."""

    id = BigSerial(primary_key=True)
    proof = Text()
    account = Text()
    address = Text()
    at_ms = BigInt()
    until_ms = BigInt()


class KnownAddressRow(Table, tablename="familiar"):
    """An account signed in from an address, last at `at_ms`; unique by the first three columns."""

    proof = Text()
    account = Text()
    address = Text()
    at_ms = BigInt()
