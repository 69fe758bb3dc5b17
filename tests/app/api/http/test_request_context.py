"""One line per request, with everything that finds it again and nothing that is secret."""

from structlog.testing import capture_logs

from tests.app.api.running_app import ADA, ADMIN_TOKEN, SETUP, Client, Headers


async def test_a_request_is_one_line_with_its_id_path_status_and_caller(client: Client) -> None:
    with capture_logs() as lines:
        await client.get("/api/v1/auth/me", headers={"X-API-Key": ADMIN_TOKEN, "X-Request-ID": "req-7"})
    done = [line for line in lines if line["event"] == "http.request"]
    assert len(done) == 1
    assert done[0]["took_ms"] >= 0
    logged = {name: done[0][name] for name in ("method", "path", "status", "principal", "log_level")}
    assert logged == {
        "method": "GET",
        "path": "/api/v1/auth/me",
        "status": 200,
        "principal": "api-admin",
        "log_level": "info",
    }


async def test_bodies_queries_headers_and_tokens_stay_out_of_the_log(client: Client) -> None:
    with capture_logs() as lines:
        await client.post("/api/v1/auth/register?hidden=1", json={**ADA, **SETUP}, headers={"X-API-Key": ADMIN_TOKEN})
        await client.post("/api/v1/auth/login", json=ADA)
        await client.get(f"/api/v1/push/{ADMIN_TOKEN}")
    for secret in (ADA["password"], ADA["email"], ADMIN_TOKEN, "hidden"):
        assert secret not in str(lines)


async def test_replies_carry_the_headers_that_keep_browsers_strict(client: Client) -> None:
    headers = (await client.get("/api/v1/version")).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert (headers["X-Frame-Options"], headers["Referrer-Policy"]) == ("DENY", "no-referrer")
    assert "camera=()" in headers["Permissions-Policy"]
    assert {headers[f"Cross-Origin-{name}-Policy"] for name in ("Opener", "Resource")} == {"same-origin"}
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


async def test_options_names_every_method_of_a_path(client: Client, admin: Headers) -> None:
    response = await client.options("/api/v1/auth/me", headers=admin)
    assert (response.status_code, response.headers["Allow"]) == (204, "GET, OPTIONS, PATCH")
