"""All columns with encrypted values, for the rotation of the encryption key."""

from typing import NamedTuple


class EncryptedColumn(NamedTuple):
    """A column with encrypted values, alone or inside JSON."""

    table: str
    key: str
    column: str


ENCRYPTED_COLUMNS = (
    EncryptedColumn("monitors", "id", "config"),
    EncryptedColumn("channels", "id", "config"),
    EncryptedColumn("proxies", "id", "config"),
    EncryptedColumn("signing_keys", "id", "secret"),
    EncryptedColumn("key_peppers", "name", "secret"),
    EncryptedColumn("audit_chain", "name", "seal"),
    EncryptedColumn("idempotency", "id", "reply"),
    EncryptedColumn("totp", "user_id", "secret"),
)
