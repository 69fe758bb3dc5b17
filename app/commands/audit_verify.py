"""`watchkeeper audit-verify`: walks along the audit log's chain and says whether it is whole."""

from app import db
from app.security.secrets import sealing
from app.settings import Settings
from app.store.audit import chain
from app.store.audit.chain import Soundness


async def verify(settings: Settings) -> Soundness:
    """Look at every entry.

    settings  with the secret key, which opens the chain's own
    """
    sealing.prepare(settings)
    await db.start(settings, connections=2)
    try:
        return await chain.verify()
    finally:
        await db.stop()


def told(found: Soundness) -> str:
    """What was found, for people; the head's hash is worth keeping elsewhere."""
    if found.flaw:
        return f"BROKEN at entry {found.broken_at}: {found.flaw}; {found.count} entries before it are whole"
    return f"{found.count} entries, whole; the newest is {found.head.seq} {found.head.hash or '-'}"
