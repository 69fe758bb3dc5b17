"""The garbage collector, told what a long-lived process knows: what is here after the start stays for good.

A full collection looks through everything that lives. For what a worker has imported alone that is 55 ms in which
nothing else happens; with 10,000 monitors known it was 150 ms, every three to eight seconds, and alerts waited.
"""

import gc

GEN0_THRESHOLD = (
    5_000  # objects made and not freed before the youngest are looked through; Python's own 700 is for scripts
)
GEN1_THRESHOLD, GEN2_THRESHOLD = 20, 100  # collections of one age before the next older is looked through, too


def disable_while_importing() -> None:
    """Collect nothing while all is imported: next to nothing of that is garbage."""
    gc.disable()


def freeze_and_enable() -> None:
    """Take what lives now out of every later collection, and collect from now on. Once, when all is opened."""
    gc.freeze()
    gc.set_threshold(GEN0_THRESHOLD, GEN1_THRESHOLD, GEN2_THRESHOLD)
    gc.enable()
