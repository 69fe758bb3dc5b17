"""Rows of failed attempts, and of the addresses an account has proved itself from."""

from piccolo.columns import BigInt, BigSerial, Text
from piccolo.table import Table


class LoginFailureRow(Table, tablename="attempts"):
    """One failure. `account` is a fingerprint: what people type there may be their password."""

    id = BigSerial(primary_key=True)
    proof = Text()
    account = Text()
    address = Text()
    at_ms = BigInt()
    until_ms = BigInt()


class KnownAddressRow(Table, tablename="familiar"):
    """An account proved itself from an address, last at `at_ms`; unique by the three."""

    proof = Text()
    account = Text()
    address = Text()
    at_ms = BigInt()
