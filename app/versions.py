"""Which version this is."""

from importlib.metadata import PackageNotFoundError, version

try:
    OURS = version("watchkeeper")
except PackageNotFoundError:  # run from a checkout that was never installed
    OURS = "0.0.0"
