"""Takes over jobs and deliveries of workers on this host whose processes have ended.

Schedulers and workers watch the other workers' processes, and any number of them may take over at once. On other hosts
jobs wait until the worker's heartbeat expires, and messages until their leases end. A worker that is slow or stopped
keeps what it has: its process still exists.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress

import structlog
from prometheus_client import Counter
from redis.exceptions import RedisError

from app import clock, db, fetched_jobs, process_watch, queue
from app.domain.system import process_identity
from app.domain.system.process_identity import ProcessState
from app.store.alerting import lease_owners

log = structlog.get_logger()

INTERVAL_S = 1.0  # between two rounds; the end of a process that is watched is noticed at once
ROUNDS = 3  # in which an ended process is looked for: its last command may be under way to Redis or the database
# A worker sends a command every second. One that was never watched here may run elsewhere after all, in a copy of this
# virtual machine: while it sends commands, nothing is taken over.
SILENT_MS = 2_500
RETRIED_ERRORS = (RedisError, *db.TRANSIENT_ERRORS)

TAKEN_OVER = Counter("watchkeeper_taken_over", "What was taken over from workers that ended, by kind.", ["kind"])
JOBS, DELIVERIES = (TAKEN_OVER.labels(kind=kind) for kind in ("job", "delivery"))


class Takeover:
    """Looks for workers of this host that have ended."""

    def __init__(self) -> None:
        self._processes = process_watch.ProcessWatch()
        self._ended: dict[str, int] = {}  # process → rounds that are left
        self._earlier: set[str] | None = None  # owners of leases at the start whose end is not certain; None: not read
        self._unavailable: set[str] = set()

    async def run(self) -> None:
        """Take over as soon as a process ends; look for new workers every second. Until cancelled."""
        try:
            while True:
                await self.run_once()
                await self._processes.wait(INTERVAL_S)
        finally:
            self._processes.close()

    async def run_once(self) -> None:
        """Take over what processes left that have ended so far."""
        self._note_ended(self._processes.take_ended())
        n_jobs = await self._attempt("queue", self._requeue_jobs)
        n_deliveries = await self._attempt("database", self._end_leases)
        if n_jobs or n_deliveries:
            found = filter(None, map(process_identity.parse, self._ended))
            log.warning("takeover.done", jobs=n_jobs, deliveries=n_deliveries, pids=sorted(one.pid for one in found))
        self._ended = {process: left - 1 for process, left in self._ended.items() if left > 1}

    async def _attempt(self, part: str, work: Callable[[], Awaitable[int]]) -> int:
        """Do a part of a round; while Redis or the database is unavailable, the next round tries again."""
        try:
            n = await work()
        except RETRIED_ERRORS as error:
            if part not in self._unavailable:
                log.warning("takeover.unavailable", part=part, error=type(error).__name__)
            self._unavailable.add(part)
            self._note_ended(self._ended)
            return 0
        self._unavailable.discard(part)
        return n

    def _note_ended(self, processes: Iterable[str]) -> None:
        self._ended |= dict.fromkeys(processes, ROUNDS)

    async def _requeue_jobs(self) -> int:
        """Requeue the jobs of workers that have ended. Returns how many."""
        workers = await fetched_jobs.list_workers()
        self._note_ended(self._find_ended({fetched_jobs.process_of(one): at_ms for one, at_ms in workers.items()}))
        ended = [one for one in workers if fetched_jobs.process_of(one) in self._ended]
        n = sum([await fetched_jobs.requeue(one) for one in ended])
        JOBS.inc(n)
        return n

    def _find_ended(self, last_ms: Mapping[str, int]) -> list[str]:
        """Watch the processes that run; returns those that had ended before.

        last_ms  time of each process's last command, in epoch milliseconds
        """
        states = {process: self._processes.watch(process) for process in {*last_ms, *(self._earlier or ())}}
        before_ms = clock.now_ms() - SILENT_MS
        ended = {process for process, state in states.items() if state is ProcessState.ENDED}
        silent = {process for process in ended if last_ms.get(process, 0) <= before_ms}
        if self._earlier is not None:
            self._earlier &= ended - silent
        return sorted(silent)

    async def _end_leases(self) -> int:
        """End the leases of processes that have ended, and queue their deliveries. Returns how many."""
        if self._earlier is None:
            self._earlier = await lease_owners.list_owners()
        if not self._ended:
            return 0
        ended = await lease_owners.end_leases(list(self._ended), clock.now_ms())
        n = sum(map(len, ended.values()))
        DELIVERIES.inc(n)
        with suppress(RedisError):  # the sweep finds them
            await queue.put(*queue.notify_jobs(ended))
        return n
