"""A server like signal-cli-rest-api with several recipients, as `bench.faulty_recipients` describes it.

python -m bench.faulty_signal [SEED]

POST /v2/send    201, or 400 with a line for each recipient that did not get the message; the others have it all the
                 same. Of a group, some members may have it. Sources: bbernhard/signal-cli-rest-api (client.go),
                 AsamK/signal-cli (SendMessageResultUtils)
"""

import asyncio
import sys

import msgspec
import uvloop

from bench import wire
from bench.faulty_receiver import LATE_S
from bench.faulty_recipients import Odds, PartialReceiver, Treatment

GROUP = "group.d2F0Y2g="
PARTLY = 0.3  # of the messages to the group miss a member, in the mode "some"
RECIPIENTS = {
    "+4915100000001": Odds(later=0.1),
    "+4915100000002": Odds(always_refused=True),
    "+4915100000003": Odds(later=0.3),
    "+4915100000004": Odds(refused=0.1, later=0.2),
    GROUP: Odds(),
}
FAILED = "Failed to send (some) messages:"
REASONS = {
    Treatment.REFUSED: 'Untrusted Identity for "{0}"',
    Treatment.LATER: "Failed to send message due to rate limiting",
}
TAKEN = msgspec.json.encode({"timestamp": "1780698557041"})


class _Request(msgspec.Struct):
    message: str
    recipients: list[str]


class FaultySignal(PartialReceiver):
    """Answers requests to send."""

    def take(self, asker: wire.Wire, head: bytes, body: bytes) -> None:
        """Deliver a message to those who get it, and name the others."""
        del head
        request, is_late = msgspec.json.decode(body, type=_Request), self.is_late()
        treatments = {one: self.treat(one) for one in request.recipients}
        reached = [one for one, treatment in treatments.items() if treatment is Treatment.ACCEPTED]
        self.deliver(reached, "", request.message, is_answered=not is_late)
        errors = [f"{one}: {REASONS[how].format(one)}" for one, how in treatments.items() if how in REASONS]
        if GROUP in reached and self.mode == "some" and self.happens(PARTLY):
            errors.append(f"+4915100000009: {REASONS[Treatment.REFUSED].format('+4915100000009')}")
        answer = wire.reply(TAKEN, b"201 Created")
        if errors:
            answer = wire.reply(msgspec.json.encode({"error": "\n".join([FAILED, *errors])}), b"400 Bad Request")
        asyncio.get_running_loop().call_later(LATE_S if is_late else 0, asker.send, answer)


async def serve(seed: int) -> None:
    """Listen for messages and for control requests."""
    signal = FaultySignal(RECIPIENTS, seed)
    server = await asyncio.get_running_loop().create_server(lambda: wire.Wire(signal.take), "127.0.0.1", 0)
    signal.port = server.sockets[0].getsockname()[1]
    await wire.serve(signal.control)


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
