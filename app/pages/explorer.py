"""The API explorers, Swagger UI and ReDoc. All assets come from the installed package: no CDN, no inline script.

All addresses are relative, since a reverse proxy may serve the application below a path.
"""

from typing import Any

from litestar import MediaType, Request, Response, get
from litestar.params import FromPath
from litestar.response import Redirect

from app.api.http.timeouts import NO_TIMEOUT
from app.pages import explorer_files
from app.pages.explorer_bundle import SPEC_FILE
from app.security.auth.policy import ANYONE

AnyRequest = Request[Any, Any, Any]

SPEC = "/api/v1/openapi.json"
WITHOUT_TIMEOUT = {NO_TIMEOUT: True}  # the first request waits for the build, which has its own timeout
CACHED, REVALIDATED = "public, max-age=86400", "no-cache"
START_SCRIPT = f"""const spec = new URL("..{SPEC}", document.currentScript.src).href;
window.addEventListener("load", () => SwaggerUIBundle({{
  url: spec, dom_id: "#explorer", deepLinking: true, persistAuthorization: true, validatorUrl: null,
}}));
"""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'{styles}; img-src 'self' data:; font-src 'self' data:; "
    "connect-src 'self'; worker-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {"Content-Security-Policy": POLICY.format(styles=""), "Cache-Control": REVALIDATED}
REDOC_HEADERS = {  # ReDoc inserts its style sheet by script and accepts no nonce
    **HEADERS,
    "Content-Security-Policy": POLICY.format(styles=" 'unsafe-inline'"),
}
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Watchkeeper API</title>
<link rel="icon" type="image/png" href="{root}explorer/favicon.png">
{head}
</head>
<body>
{body}
</body>
</html>
"""
SWAGGER = PAGE.format(
    root="{root}",
    head='<link rel="stylesheet" href="{root}explorer/swagger-ui.css">',
    body='<div id="explorer"></div>\n<script src="{root}explorer/swagger-ui-bundle.js"></script>\n'
    '<script src="{root}explorer/start.js"></script>',
)
REDOC = PAGE.format(
    root="{root}",
    head="<style>body {{ margin: 0 }}</style>",
    body=f'<redoc spec-url="{{root}}{SPEC[1:]}"></redoc>\n<script src="{{root}}explorer/redoc.standalone.js"></script>',
)


@get(["/api/v1/docs", "/swagger", "/swagger/index.html"], guards=[ANYONE], include_in_schema=False)
async def swagger(request: AnyRequest) -> Response[str]:
    """Swagger UI."""
    return Response(SWAGGER.format(root=_root_from(request)), media_type=MediaType.HTML, headers=HEADERS)


@get("/api/v1/redoc", guards=[ANYONE], include_in_schema=False)
async def redoc(request: AnyRequest) -> Response[str]:
    """ReDoc."""
    return Response(REDOC.format(root=_root_from(request)), media_type=MediaType.HTML, headers=REDOC_HEADERS)


def _root_from(request: AnyRequest) -> str:
    """The relative address of our root, seen from a page: `../../` from `/api/v1/docs`."""
    return "../" * (request.scope["raw_path"].count(b"/") - 1)  # a slash at its end counts for browsers, too


@get("/", guards=[ANYONE], include_in_schema=False)
async def redirect_to_docs() -> Redirect:
    """Redirect the root to the API's documentation."""
    return Redirect("api/v1/docs")


@get(SPEC, guards=[ANYONE], include_in_schema=False, opt=WITHOUT_TIMEOUT)
async def openapi(request: AnyRequest) -> Response[bytes]:
    """The OpenAPI document that both explorers show."""
    return await explorer_files.file_response(request, SPEC_FILE, REVALIDATED)


@get("/explorer/start.js", guards=[ANYONE], include_in_schema=False)
async def start_script() -> Response[str]:
    """The script that starts Swagger UI, as a file, so that the page needs no inline script."""
    return Response(START_SCRIPT, media_type="text/javascript", headers={"Cache-Control": REVALIDATED})


@get("/explorer/{name:str}", guards=[ANYONE], include_in_schema=False, opt=WITHOUT_TIMEOUT)
async def asset(request: AnyRequest, name: FromPath[str]) -> Response[bytes]:
    """An asset of the explorers."""
    return await explorer_files.file_response(request, name, CACHED)


HANDLERS = [swagger, redoc, redirect_to_docs, openapi, start_script, asset]
