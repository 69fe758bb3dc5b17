"""Document 002, example by example: health and the cache; and where its own program goes wrong."""

from dataclasses import replace

from app import queue, response_cache
from app.main import create_app
from tests.app.api.running_app import ADMIN_TOKEN, calling
from tests.seeds.example import API, added


async def test_health_reports_redis_and_the_cache(api):
    body = (await api.get(f"{API}/health")).json()
    assert (body["status"], body["redis_available"], body["cache_enabled"]) == ("ok", True, True)


async def test_health_is_never_old(client):
    times = [(await client.get(f"{API}/health")).json()["timestamp"] for _ in range(2)]
    assert times[0] < times[1]


async def test_without_redis_everything_is_read_from_the_database(database, free_port):
    app = create_app(replace(database, api_admin_token=ADMIN_TOKEN, redis_url=f"redis://127.0.0.1:{free_port}"))
    async with calling(app) as client:
        client.headers["Authorization"] = f"Bearer {ADMIN_TOKEN}"
        check = await added(client)
        for path in ("/checks", f"/checks/{check['id']}", "/results", "/results/summary", "/plugins"):
            assert (await client.get(API + path)).status_code == 200, path
        body = (await client.get(f"{API}/health")).json()
        assert (body["redis_available"], body["cache_enabled"]) == (False, False)
    response_cache.retry_now()


async def test_a_change_is_visible_at_once_despite_the_cache(api):
    check = await added(api)
    for name in ("one", "two"):
        await api.put(f"{API}/checks/{check['id']}", json={"name": name})
        assert (await api.get(f"{API}/checks")).json()["checks"][0]["name"] == name
        assert await queue.client().keys("wk:cache:*:checks:*")
    await api.patch(f"{API}/monitors/{check['id']}", json={"name": "three"})
    assert (await api.get(f"{API}/checks")).json()["checks"][0]["name"] == "three"
