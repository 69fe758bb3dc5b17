"""python -m app.commands.build_explorer FOLDER: builds the files of the API explorers for this version.

They appear all at once, in a folder named after the version; old versions are deleted. `app.pages.explorer_files` runs
this.
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
    """Build the files; returns an exit code."""
    root = Path(sys.argv[1])
    root.mkdir(parents=True, exist_ok=True)
    folder = root / explorer_files.build_digest()
    with tempfile.TemporaryDirectory(dir=root, prefix="making-") as temporary:
        draft = Path(temporary) / "files"
        draft.mkdir(mode=0o755)
        files = {**explorer_bundle.read_assets(), explorer_bundle.SPEC_FILE: build_spec(Path(temporary))}
        for name, content in files.items():
            (draft / name).write_bytes(content)
            if name not in explorer_bundle.UNCOMPRESSED:
                (draft / f"{name}{explorer_files.GZIP_SUFFIX}").write_bytes(gzip.compress(content, mtime=0))
        try:
            draft.rename(folder)
        except OSError:
            if not folder.is_dir():  # otherwise another process was faster
                raise
    _delete_old(root)
    return 0


def build_spec(root: Path) -> bytes:
    """The OpenAPI document. It depends on no setting, so the defaults will do."""
    return document.build_document(create_app(settings.read_settings({"DATA_DIR": str(root / "data")}, root)))


def _delete_old(root: Path) -> None:
    folders = [path for path in root.iterdir() if path.is_dir() and not path.name.startswith("making-")]
    newest_first = sorted(folders, key=lambda folder: folder.stat().st_mtime, reverse=True)
    for folder in newest_first[explorer_files.KEPT_VERSIONS :]:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
