"""All columns with encrypted values, for the rotation of the encryption key."""

from typing import NamedTuple

from piccolo.columns import Column
from piccolo.table import Table

from app.store.tables.api_keys import KeyPepperRow
from app.store.tables.audit import AuditMarkRow
from app.store.tables.channels import ChannelRow
from app.store.tables.idempotency import IdempotencyRow
from app.store.tables.mfa import TotpRow
from app.store.tables.monitors import MonitorRow
from app.store.tables.proxies import ProxyRow
from app.store.tables.signing_keys import SigningKeyRow


class EncryptedColumn(NamedTuple):
    """A column with encrypted values, alone or inside JSON."""

    table: type[Table]
    key: Column
    column: Column


ENCRYPTED_COLUMNS = (
    EncryptedColumn(MonitorRow, MonitorRow.id, MonitorRow.config),
    EncryptedColumn(ChannelRow, ChannelRow.id, ChannelRow.config),
    EncryptedColumn(ProxyRow, ProxyRow.id, ProxyRow.config),
    EncryptedColumn(SigningKeyRow, SigningKeyRow.id, SigningKeyRow.secret),
    EncryptedColumn(KeyPepperRow, KeyPepperRow.name, KeyPepperRow.secret),
    EncryptedColumn(AuditMarkRow, AuditMarkRow.name, AuditMarkRow.seal),
    EncryptedColumn(IdempotencyRow, IdempotencyRow.id, IdempotencyRow.reply),
    EncryptedColumn(TotpRow, TotpRow.user_id, TotpRow.secret),
)
