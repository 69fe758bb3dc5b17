import asyncio

import msgspec

from bench import programs, wire
from bench.receiver import Delivery
from bench.target import FAIL, PASS, Log


async def test_a_target_responds_as_ordered_and_remembers():
    async with programs.controlled("bench.target") as target:
        assert await target.get("/t/3") == b"ok"
        await target.get(f"/set?from=2&to=4&as={FAIL}")
        assert await target.get("/t/3") == b"no"
        log = msgspec.json.decode(await target.get("/log"), type=Log)
    assert (log.numbers, log.answers) == ([3, 3], [PASS, FAIL])
    assert [number for number, _, _ in log.switches] == [2, 3, 4]


async def test_a_receiver_remembers_the_key_and_the_monitor():
    body = b'{"event":"monitor.down","timestamp":"2026-01-01T00:00:00Z","data":{"monitor":{"name":"t-7"}}}'
    async with programs.controlled("bench.receiver") as hook:
        await _post(hook.port, body)
        (delivery,) = msgspec.json.decode(await hook.get("/log"), type=list[Delivery])
        await hook.get("/reset")
        assert await hook.get("/log") == b"[]"
    assert (delivery.id, delivery.event, delivery.name) == ("key", "monitor.down", "t-7")


async def _post(port, body):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = b"POST / HTTP/1.1\r\nX-Webhook-Id: key\r\nContent-Length: %d\r\n\r\n" % len(body)
    writer.write(head + body[:10])  # in two pieces, as the network likes it
    await writer.drain()
    await asyncio.sleep(0.05)
    writer.write(body[10:])
    assert await reader.readexactly(len(wire.OK)) == wire.OK
    writer.close()
    await writer.wait_closed()


def test_the_length_of_a_body_is_found_whatever_the_case():
    assert wire.length_of(b"POST / HTTP/1.1\r\ncontent-LENGTH: 42\r\nX: y") == 42
    assert wire.length_of(b"GET / HTTP/1.1\r\nX: y") == 0
