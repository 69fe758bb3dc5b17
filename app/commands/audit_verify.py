"""`watchkeeper audit-verify`: verifies the hash chain of the audit log."""

from app import db
from app.security.secrets import sealing
from app.settings import Settings
from app.store.audit import chain
from app.store.audit.chain import ChainReport


async def verify(settings: Settings) -> ChainReport:
    """Verify every entry.

    settings  with the secret key, which decrypts the chain's key
    """
    sealing.prepare(settings)
    await db.start(settings, connections=2)
    try:
        return await chain.verify()
    finally:
        await db.stop()


def describe_report(report: ChainReport) -> str:
    """The report as text. Operators may store the head's hash elsewhere, to compare it later."""
    if report.error:
        return f"BROKEN at entry {report.broken_at}: {report.error}; {report.count} entries before it are whole"
    return f"{report.count} entries, whole; the newest is {report.head.seq} {report.head.hash or '-'}"
