"""Tables of failed sign-ins, and of addresses from which an account has signed in."""

from piccolo.columns import BigInt, BigSerial, Text
from piccolo.table import Table


class LoginFailureRow(Table, tablename="login_failures"):
    """One failed sign-in. `account` is a fingerprint, since users may type their password there."""

    id = BigSerial(primary_key=True)
    credential_kind = Text()
    account = Text()
    address = Text()
    at_ms = BigInt()
    expires_ms = BigInt()


class KnownAddressRow(Table, tablename="known_addresses"):
    """An account signed in from an address, last at `at_ms`."""

    credential_kind = Text(primary_key=True)
    account = Text(primary_key=True)
    address = Text(primary_key=True)
    at_ms = BigInt()
