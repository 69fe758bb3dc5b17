"""Tunes the garbage collector for long-running processes: objects from the startup stay for ever.

A full collection visits every object. For a worker's imports alone that takes 55 ms, in which nothing else runs; with
10,000 monitors it was 150 ms, every three to eight seconds, and alerts waited.
"""

import gc

GEN0_THRESHOLD = 5_000  # new objects before a collection of the youngest; Python's default of 700 is for scripts
GEN1_THRESHOLD, GEN2_THRESHOLD = 20, 100  # collections of one generation before one of the next


def disable_while_importing() -> None:
    """Disable collections during imports, which make almost no garbage."""
    gc.disable()


def freeze_and_enable() -> None:
    """Exclude all current objects from later collections, and enable these. Call once, at the end of the startup."""
    gc.freeze()
    gc.set_threshold(GEN0_THRESHOLD, GEN1_THRESHOLD, GEN2_THRESHOLD)
    gc.enable()
