"""The API explorers, Swagger UI and ReDoc, with every asset from the installed package: no CDN, no inline script."""

from importlib.resources import files
from pathlib import Path
from typing import Any

from litestar import MediaType, Request, Response, get
from litestar.params import FromPath
from litestar.response import File, Redirect

from app.api import document
from app.errors import NoSuch
from app.security.policy import ANYONE

SPEC = "/api/v1/openapi.json"
PARTS = Path(str(files("openapi_ui_bundles")))
ASSETS = {
    "swagger-ui.css": PARTS / "swagger_ui" / "vendor" / "swagger-ui.css",
    "swagger-ui-bundle.js": PARTS / "swagger_ui" / "vendor" / "swagger-ui-bundle.js",
    "favicon.png": PARTS / "swagger_ui" / "vendor" / "favicon-32x32.png",
    "redoc-logo.svg": PARTS / "redoc" / "vendor" / "logo-mini.svg",
}
REDOC_SCRIPT = PARTS / "redoc" / "vendor" / "redoc.standalone.js"
REDOC_LOGO = "https://cdn.redoc.ly/redoc/logo-mini.svg"  # the one thing the script would fetch from elsewhere
TYPES = {".css": "text/css", ".js": "text/javascript", ".png": "image/png", ".svg": "image/svg+xml"}
LASTING = {"Cache-Control": "public, max-age=86400"}
START = f"""window.addEventListener("load", () => SwaggerUIBundle({{
  url: "{SPEC}", dom_id: "#explorer", deepLinking: true, persistAuthorization: true, validatorUrl: null,
}}));
"""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'{styles}; img-src 'self' data:; font-src 'self' data:; "
    "connect-src 'self'; worker-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {"Content-Security-Policy": POLICY.format(styles=""), "Cache-Control": "no-cache"}
REDOC_HEADERS = {  # it writes its style sheet from script, without a nonce that we could give it
    **HEADERS,
    "Content-Security-Policy": POLICY.format(styles=" 'unsafe-inline'"),
}
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Watchkeeper API</title>
<link rel="icon" type="image/png" href="/explorer/favicon.png">
{head}
</head>
<body>
{body}
</body>
</html>
"""
SWAGGER = PAGE.format(
    head='<link rel="stylesheet" href="/explorer/swagger-ui.css">',
    body='<div id="explorer"></div>\n<script src="/explorer/swagger-ui-bundle.js"></script>\n'
    '<script src="/explorer/start.js"></script>',
)
REDOC = PAGE.format(
    head="<style>body { margin: 0 }</style>",
    body=f'<redoc spec-url="{SPEC}"></redoc>\n<script src="/explorer/redoc.standalone.js"></script>',
)


@get(["/api/v1/docs", "/swagger", "/swagger/index.html"], guards=[ANYONE], include_in_schema=False)
async def swagger() -> Response[str]:
    """Swagger UI."""
    return Response(SWAGGER, media_type=MediaType.HTML, headers=HEADERS)


@get("/api/v1/redoc", guards=[ANYONE], include_in_schema=False)
async def redoc() -> Response[str]:
    """ReDoc."""
    return Response(REDOC, media_type=MediaType.HTML, headers=REDOC_HEADERS)


@get("/", guards=[ANYONE], include_in_schema=False)
async def front() -> Redirect:
    """The first page there is."""
    return Redirect("/api/v1/docs")


@get(SPEC, guards=[ANYONE], include_in_schema=False)
async def openapi(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The document both explorers show."""
    return Response(document.of(request.app), media_type=MediaType.JSON, headers={"Cache-Control": "no-cache"})


@get("/explorer/start.js", guards=[ANYONE], include_in_schema=False)
async def start() -> Response[str]:
    """Starts Swagger UI; a file, so that the page needs no inline script."""
    return Response(START, media_type="text/javascript", headers={"Cache-Control": "no-cache"})


@get("/explorer/redoc.standalone.js", guards=[ANYONE], include_in_schema=False, sync_to_thread=True)
def redoc_script() -> Response[str]:
    """ReDoc, with its logo from here."""
    script = REDOC_SCRIPT.read_text(encoding="utf-8").replace(REDOC_LOGO, "/explorer/redoc-logo.svg")
    return Response(script, media_type="text/javascript", headers=LASTING)


@get("/explorer/{name:str}", guards=[ANYONE], include_in_schema=False)
async def asset(name: FromPath[str]) -> File:
    """A file of the explorers."""
    if name not in ASSETS:
        raise NoSuch("file", name)
    path = ASSETS[name]
    return File(
        path,
        media_type=TYPES[path.suffix],
        content_disposition_type="inline",
        headers=LASTING,
    )


HANDLERS = [swagger, redoc, front, openapi, start, redoc_script, asset]
