"""python everything.py PACKAGE: import every module of a package, and fail with the first that can't be."""

import importlib
import pkgutil
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path.cwd()))
    package = importlib.import_module(sys.argv[1])
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)
