"""The options of a fault run."""

from collections.abc import Mapping

from msgspec import Struct

from bench.faults.postgres import Cluster


class Options(Struct, frozen=True, kw_only=True):
    """Size, length and database of a run.

    rounds      of what comes in rounds
    outage_s    how long something stays away
    lock_s      how long SQLite's write lock is held
    is_short    a short run of what the world does
    only        of what the world does, or of hostile targets, what has this in its name
    cluster     a PostgreSQL of our own, or None for SQLite
    """

    rounds: int
    outage_s: float
    lock_s: float
    seed: int
    is_short: bool = False
    only: str = ""
    cluster: Cluster | None = None

    @property
    def environ(self) -> Mapping[str, str]:
        """The product's environment for its database."""
        return self.cluster.environ if self.cluster else {}
