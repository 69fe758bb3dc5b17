"""python -m bench.clients.lint [--tools DIR]: hold the OpenAPI document against the rules in redocly/redocly.yaml.

Exits with 1 when a rule is broken, with the places; warnings are errors.
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

import msgspec

from app import settings
from app.api.openapi import document
from app.main import create_app
from bench.clients import tools
from bench.clients.generators import NODE
from bench.clients.tools import HERE, Failed, Shell

REDOCLY = HERE / "redocly"
LOCK = REDOCLY / "package-lock.json"
RULES = ("redocly.yaml", ".redocly.lint-ignore.yaml")


def written(folder: Path) -> Path:
    """The document as a file, in lines that a place can be found by."""
    place = folder / "openapi.json"
    app = create_app(settings.read_settings({"DATA_DIR": str(folder)}, folder))
    place.write_bytes(msgspec.json.format(document.build_document(app), indent=1))
    return place


async def lint(folder: Path, place: Path) -> str:
    """The linter's report on the document; tools are installed below `place`. Raises Failed when a rule is broken."""
    node = await tools.python(NODE, place)
    modules = await tools.node(LOCK, place, [node])
    for name in RULES:
        (folder / name).write_bytes((REDOCLY / name).read_bytes())
    shell = Shell(folder, (modules / "node_modules" / ".bin", node))
    options = ("--config", RULES[0], "--format", "stylish", "--max-problems", "1000")
    return await shell.run("redocly", "lint", written(folder).name, *options)


def main() -> int:
    """Lint, and print what was found."""
    parser = argparse.ArgumentParser(prog="lint", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tools", type=Path, default=tools.TOOLS_FOLDER, help="where the linter is installed")
    place = parser.parse_args().tools.absolute()
    with tempfile.TemporaryDirectory(prefix="wk-lint-") as folder:
        try:
            print(asyncio.run(lint(Path(folder), place)))
        except Failed as failed:
            print(failed)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
