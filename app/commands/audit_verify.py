"""`watchkeeper audit-verify`: walks along the audit log's chain and says whether it is whole."""

from app import db
from app.security.secrets import sealing
from app.settings import Settings
from app.store.audit import chain
from app.store.audit.chain import ChainReport


async def verify(settings: Settings) -> ChainReport:
    """Look at every entry.

    settings  with the secret key, which opens the chain's own
    """
    sealing.prepare(settings)
    await db.start(settings, connections=2)
    try:
        return await chain.verify()
    finally:
        await db.stop()


def describe_report(report: ChainReport) -> str:
    """What was found, for people; the head's hash is worth keeping elsewhere."""
    if report.error:
        return f"BROKEN at entry {report.broken_at}: {report.error}; {report.count} entries before it are whole"
    return f"{report.count} entries, whole; the newest is {report.head.seq} {report.head.hash or '-'}"
