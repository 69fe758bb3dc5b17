"""Whether tests search: with `just search` they try many more examples, and others each time.

Otherwise every run tries the same ones: whether a change lands must not depend on luck.
"""

import os

SEARCHING = os.environ.get("SEARCH", "") == "1"
MANY = 20  # times as many examples
