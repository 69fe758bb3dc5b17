"""The API explorers, Swagger UI and ReDoc. All assets come from the installed package: no CDN, no inline script."""

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
START_SCRIPT = f"""window.addEventListener("load", () => SwaggerUIBundle({{
  url: "{SPEC}", dom_id: "#explorer", deepLinking: true, persistAuthorization: true, validatorUrl: null,
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
async def redirect_to_docs() -> Redirect:
    """Redirect the root to the API's documentation."""
    return Redirect("/api/v1/docs")


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
