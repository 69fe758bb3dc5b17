"""The error that every sender raises when a message was not delivered."""

from msgspec import Struct


class ProviderResponse(Struct, frozen=True):
    """A provider's response: its HTTP status, and the start of its body."""

    status: int
    body: bytes


class DeliveryError(Exception):  # often the receiver's doing, no error of ours
    """The message was not delivered, or its delivery is not confirmed.

    reason           for the delivery log; holds no secret once it has left `senders.send`
    permanent        a retry can't help: the receiver rejected the message, or the channel is misconfigured
    retry_after_s    how long the receiver asked us to wait, in seconds
    channel_level    the rejection concerns the channel, not this message: the next one would be rejected too
    endpoint_gone    the endpoint no longer exists
    got_response     the receiver responded with an error: the message did not arrive; otherwise that is unknown
    stalled          this process stalled during the send: the error says nothing about the channel
    response         what the provider responded; `senders.send` reads and removes it
    """

    def __init__(
        self,
        reason: str,
        *,
        permanent: bool = False,
        retry_after_s: float | None = None,
        channel_level: bool = False,
        endpoint_gone: bool = False,
        got_response: bool = False,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.permanent = permanent
        self.retry_after_s = retry_after_s
        self.channel_level = channel_level
        self.endpoint_gone = endpoint_gone
        self.got_response = got_response or permanent
        self.stalled = False
        self.response: ProviderResponse | None = None
