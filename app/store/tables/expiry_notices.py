"""Rows of what was said about things that expire."""

from piccolo.columns import BigInt, Integer, Text
from piccolo.table import Table


class ExpiryNoticeRow(Table, tablename="expiries"):
    """A notice that was given: once for each certificate (or domain and its date) and number of days."""

    monitor_id = Text()
    kind = Text()  # certificate or domain
    identity = Text()  # the certificate's fingerprint; the domain and its date
    days = Integer()
    name = Text(default="")
    issuer = Text(default="")
    ends_ms = BigInt(default=0)
    at_ms = BigInt()
