"""The explorers' assets from the installed package, without references to other hosts."""

from importlib.resources import files
from pathlib import Path

SPEC_FILE = "openapi.json"
_PARTS = Path(str(files("openapi_ui_bundles")))
_SWAGGER, _REDOC = _PARTS / "swagger_ui" / "vendor", _PARTS / "redoc" / "vendor"
ASSETS = {
    "swagger-ui.css": _SWAGGER / "swagger-ui.css",
    "swagger-ui-bundle.js": _SWAGGER / "swagger-ui-bundle.js",
    "favicon.png": _SWAGGER / "favicon-32x32.png",
    "redoc-logo.svg": _REDOC / "logo-mini.svg",
    "redoc.standalone.js": _REDOC / "redoc.standalone.js",
}
SOURCES = tuple(ASSETS.values())
REDOC_LOGO = b"https://cdn.redoc.ly/redoc/logo-mini.svg"  # the only asset ReDoc would load from another host
MEDIA_TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".json": "application/json",
}
MEDIA_TYPE_OF = {name: MEDIA_TYPES[Path(name).suffix] for name in (*ASSETS, SPEC_FILE)}
UNCOMPRESSED = frozenset({"favicon.png"})  # PNG is compressed already


def read_assets() -> dict[str, bytes]:
    """The package's files by name; ReDoc's logo is our copy, seen from its page."""
    return {
        name: path.read_bytes().replace(REDOC_LOGO, b"../../explorer/redoc-logo.svg") for name, path in ASSETS.items()
    }
