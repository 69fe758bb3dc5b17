"""python -m app.commands.build_explorer FOLDER: makes the files of the API explorers for this version, and ends.

They appear all at once, under their version's name; the oldest versions go. `app.pages.explorer_files` runs this.
"""

import gzip
import shutil
import sys
import tempfile
from pathlib import Path

from app import settings
from app.api.openapi import document
from app.main import create_app
from app.pages import explorer_bundle, explorer_files


def main() -> int:
    """Make the files; returns an exit code."""
    place = Path(sys.argv[1])
    place.mkdir(parents=True, exist_ok=True)
    folder = place / explorer_files.build_digest()
    with tempfile.TemporaryDirectory(dir=place, prefix="making-") as made_in:
        fresh = Path(made_in) / "files"
        fresh.mkdir(mode=0o755)
        for name, content in {
            **explorer_bundle.read_assets(),
            explorer_bundle.SPEC_FILE: build_spec(Path(made_in)),
        }.items():
            (fresh / name).write_bytes(content)
            if name not in explorer_bundle.UNCOMPRESSED:
                (fresh / f"{name}{explorer_files.GZIP_SUFFIX}").write_bytes(gzip.compress(content, mtime=0))
        try:
            fresh.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was faster
                raise
    _delete_old(place)
    return 0


def build_spec(root: Path) -> bytes:
    """The document. It depends on no setting: these are the defaults."""
    return document.build_document(create_app(settings.read_settings({"DATA_DIR": str(root / "data")}, root)))


def _delete_old(root: Path) -> None:
    found = [one for one in root.iterdir() if one.is_dir() and not one.name.startswith("making-")]
    for one in sorted(found, key=lambda folder: folder.stat().st_mtime, reverse=True)[explorer_files.KEPT_VERSIONS :]:
        shutil.rmtree(one, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
