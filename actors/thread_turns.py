"""How long the event loop's thread runs while another thread waits for its turn: shorter while alerts are on their way.

The thread that has an answer of the database waits for the loop's thread, 5 ms by Python's default when that is busy
with checks, and an alert needs two dozen answers. Shorter turns would cost each check a sixth more CPU, so they are
taken only as long as they help.
"""

import asyncio
import sys
from time import monotonic

SHORT_S, USUAL_S = 0.0005, 0.005
ALERT_S = 0.5  # how long turns stay short after the last sign of an alert


class ThreadTurns:
    """Switches between short and usual turns."""

    def __init__(self) -> None:
        self._until = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def shorten(self) -> None:
        """Take short turns for a while. Call it on the loop."""
        self._until = monotonic() + ALERT_S
        if self._timer is None:
            sys.setswitchinterval(SHORT_S)
            self._timer = asyncio.get_running_loop().call_later(ALERT_S, self._end)

    def _end(self) -> None:
        """Take usual turns again, unless there was another alert meanwhile."""
        left_s = self._until - monotonic()
        if left_s > 0:
            self._timer = asyncio.get_running_loop().call_later(left_s, self._end)
            return
        self._timer = None
        sys.setswitchinterval(USUAL_S)
