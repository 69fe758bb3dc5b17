"""What lives after the start is looked through no more; what comes later still is."""

import subprocess
import sys

SETTLED = """
import gc
kept = [[] for _ in range(1_000)]
from app import gc_tuning
gc_tuning.disable_while_importing()
assert not gc.isenabled()
gc_tuning.freeze_and_enable()
assert gc.isenabled()
assert gc.get_freeze_count() > 1_000, gc.get_freeze_count()
assert len(gc.get_objects()) < 100, len(gc.get_objects())  # all that a full collection would look through
ring = []
ring.append(ring)
del ring
assert gc.collect() == 1
"""


def test_a_settled_process_collects_only_what_came_later() -> None:
    subprocess.run([sys.executable, "-c", SETTLED], check=True)
