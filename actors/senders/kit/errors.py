"""The one way a sender says that a message did not arrive."""


class DeliveryError(Exception):  # often the receiver's doing, no error of ours
    """The message did not arrive, or nobody confirmed that it did.

    reason           for the delivery log, read by people; never holds a secret once `send` has let it out
    permanent        trying again can't help: the receiver refused the message or the channel is set up wrongly
    retry_after_s    how long the receiver asked us to wait; seconds
    channel          the refusal is of the channel, not of this message: the next one would be refused as well
    gone             there is no such channel any more, and never will be again
    answered         somebody said no: the message can't have arrived; without it nobody knows
    ours             we stood still meanwhile: it says nothing of the channel
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
