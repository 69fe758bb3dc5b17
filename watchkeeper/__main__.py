"""`watchkeeper` and `python -m watchkeeper`, from a checkout or installed: makes our own folders come first, then runs.

Installed, `app`, `actors`, `schema` and `migrations` are inside of this package, where they get in nobody's way. A
process of Watchkeeper is only Watchkeeper's, so there they may have these short names (docs/decisions).
"""

import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
ROOT = PACKAGE if (PACKAGE / "app").is_dir() else PACKAGE.parent  # installed, or a checkout


def main() -> int:
    """Run the command line; returns its exit code."""
    sys.path.insert(0, str(ROOT))

    from app import cli  # noqa: PLC0415  # could not be found before

    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
