"""An SMTP server with several recipients, as `bench.faulty_recipients` describes it.

python -m bench.faulty_mail [SEED]
"""

import asyncio
import sys
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP as RULES
from typing import Any

import uvloop
from aiosmtpd.smtp import SMTP

from bench import wire
from bench.faulty_receiver import LATE_S
from bench.faulty_recipients import Odds, PartialReceiver, Treatment

RECIPIENTS = {
    "steady@example.com": Odds(later=0.1),
    "grey@example.com": Odds(later=0.3),
    "picky@example.com": Odds(refused=0.15, later=0.15),
    "blind@example.com": Odds(later=0.3),
}
REPLIES = {
    Treatment.ACCEPTED: "250 2.1.5 OK",
    Treatment.LATER: "451 4.7.1 greylisted, try again later",
    Treatment.REFUSED: "550 5.1.1 no such user",
}


class FaultyMail(PartialReceiver):
    """What aiosmtpd calls for each command."""

    async def handle_RCPT(self, *args: Any) -> str:  # noqa: N802  # aiosmtpd's: server, session, envelope, address, options
        """Take a recipient, or refuse it."""
        _, _, envelope, address, _ = args
        treatment = self.treat(address)
        if treatment is Treatment.ACCEPTED:
            envelope.rcpt_tos.append(address)
        return REPLIES[treatment]

    async def handle_DATA(self, *args: Any) -> str:  # noqa: N802  # aiosmtpd's: server, session, envelope
        """Deliver a message to the recipients that were taken."""
        envelope, is_late = args[2], self.is_late()
        mail = message_from_bytes(envelope.content, _class=EmailMessage, policy=RULES)
        part, message_id = mail.get_body(("plain",)), mail["Message-ID"].strip("<>").partition("@")[0]
        assert part is not None
        self.deliver(envelope.rcpt_tos, message_id, part.get_content(), is_answered=not is_late)
        if is_late:
            await asyncio.sleep(LATE_S)
        return "250 2.0.0 OK"


async def serve(seed: int) -> None:
    """Listen for mail and for control requests."""
    mail = FaultyMail(RECIPIENTS, seed)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(mail, hostname="localhost", loop=loop), "127.0.0.1", 0)
    mail.port = server.sockets[0].getsockname()[1]
    await wire.serve(mail.control)


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
