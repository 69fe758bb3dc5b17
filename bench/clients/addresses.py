"""python -m bench.clients.addresses FILE…: takes the web addresses out of package locks, which `npm ci` needs not."""

import json
import sys
from pathlib import Path
from typing import Any

DROPPED = {"funding", "resolved"}


def without(value: Any) -> Any:
    """The same JSON without the fields that hold addresses."""
    if isinstance(value, dict):
        return {name: without(one) for name, one in value.items() if name not in DROPPED}
    return [without(one) for one in value] if isinstance(value, list) else value


def main(files: list[str]) -> None:
    """Rewrite each file."""
    for file in map(Path, files):
        document_text = json.dumps(without(json.loads(file.read_text(encoding="utf-8"))), indent=2, ensure_ascii=False)
        file.write_text(document_text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
