"""A receiver whose TLS handshake never ends: every sender disconnects, with a reason."""

import pytest

from actors.senders import DeliveryError, send
from actors.senders.kit.context import SenderContext
from bench.faults.hostile.handshakes import ENDLESS, agreeing
from bench.faults.hostile.scripts import Kind, Script
from bench.faults.hostile.serve import serving
from schema.channels import ChannelConfig, Gotify, Webhook
from tests.actors.senders import sample_messages

STARTTLS = agreeing(b"250-me\r\n250 STARTTLS\r\n", b"220 go\r\n", first=b"220 me\r\n")
WAYS = {
    "smtp": (ENDLESS, lambda port: sample_messages.smtp(port, security="tls")),
    "smtp, any certificate": (ENDLESS, lambda port: sample_messages.smtp(port, security="tls", ignore_tls_errors=True)),
    "smtp after STARTTLS": (STARTTLS, lambda port: sample_messages.smtp(port, security="starttls")),
    "gotify": (ENDLESS, lambda port: Gotify(server_url=f"https://127.0.0.1:{port}", app_token="AbCdEf.12345")),
    "webhook": (ENDLESS, lambda port: Webhook(url=f"https://127.0.0.1:{port}/")),
}


async def reason_of(script: Script, channel, context: SenderContext) -> str:
    async with serving(Kind(name="receiver", type="", config=lambda _: {}, script=script)) as port:
        config: ChannelConfig = channel(port)
        with pytest.raises(DeliveryError) as failed:
            await send(config, sample_messages.message(), context)
    return failed.value.reason


@pytest.mark.parametrize("way", WAYS)
async def test_a_handshake_without_end_ends(context: SenderContext, way: str):
    assert await reason_of(*WAYS[way], context) == "TLS could not be agreed on: the handshake does not end"
