"""Responses are cached until something changes; without Redis they are computed each time."""

from dataclasses import replace

import pytest
from msgspec import Struct

from app import queue, response_cache
from app.settings import Settings


class CachedText(Struct, frozen=True):
    text: str


class Source:
    """Counts its calls."""

    def __init__(self) -> None:
        self.n_calls = 0

    async def __call__(self) -> CachedText:
        self.n_calls += 1
        return CachedText(f"answer {self.n_calls}")


@pytest.fixture
def redis(queue: Settings) -> Settings:
    """The fixture of that name, beside the module of that name."""
    return queue


@pytest.fixture
def source() -> Source:
    response_cache.retry_now()
    return Source()


async def cached_text(source: Source, question: object = "q", name: str = "cached") -> str:
    return (await response_cache.get_or_compute(name, question, CachedText, source)).text


async def test_an_answer_is_made_once_for_each_question(redis, source):
    assert [await cached_text(source), await cached_text(source)] == ["answer 1", "answer 1"]
    assert [await cached_text(source, "r"), await cached_text(source, name="other")] == ["answer 2", "answer 3"]


async def test_a_write_drops_every_answer(redis, source):
    await cached_text(source)
    await response_cache.invalidate()
    assert await cached_text(source) == "answer 2"


async def test_an_answer_that_was_overtaken_by_a_write_is_not_kept(redis, source):
    async def overtaken() -> CachedText:
        found = await source()
        await response_cache.invalidate()
        return found

    await response_cache.get_or_compute("cached", "q", CachedText, overtaken)
    assert await cached_text(source) == "answer 2"


async def test_an_unreadable_entry_is_fetched_anew(redis, source):
    await queue.client().set(response_cache.cache_key("cached", "q"), b"0:\xc1")
    assert await cached_text(source) == "answer 1"


async def test_answers_do_not_stay_for_ever(redis, source):
    await cached_text(source)
    assert 0 < await queue.client().ttl(response_cache.cache_key("cached", "q")) <= response_cache.TTL_S


async def test_without_redis_everything_is_fetched(settings: Settings, free_port, source):
    await queue.start(replace(settings, redis_url=f"redis://127.0.0.1:{free_port}"))
    try:
        assert [await cached_text(source), await cached_text(source)] == ["answer 1", "answer 2"]
        await response_cache.invalidate()
    finally:
        await queue.stop()
        response_cache.retry_now()
