"""What one send found out, beside whether it failed: how it went for each recipient, and what the config should be."""

from collections.abc import Callable, Iterable, Sequence

from msgspec import structs

from actors.senders.kit.errors import DeliveryError
from schema.deliveries import RecipientOutcome, RecipientResult


class SendReport:
    """Written by a sender while it sends, so that it holds when the send fails or is cut off.

    settled          recipients that earlier attempts reached, or that refused the message for good
    results          this attempt's, by recipient
    not_reached      of a message that was sent: that some recipients refused it; empty when none did
    config_changes   fields of the channel's config that the provider asked to change, with their new values
    """

    def __init__(self, settled: Iterable[RecipientResult] = ()) -> None:
        self.settled = {one.recipient: one for one in settled}
        self.results: dict[str, RecipientResult] = {}
        self.not_reached = ""
        self.config_changes: dict[str, str] = {}
        self._errors: dict[str, DeliveryError] = {}

    def remaining(self, recipients: Iterable[str]) -> list[str]:
        """The recipients that may still get the message."""
        done = self.all_settled()
        return [one for one in recipients if one not in done]

    def accept(self, recipient: str, note: str = "") -> None:
        """The provider took the message for this recipient; `note` says what it added."""
        self.results[recipient] = RecipientResult(recipient=recipient, outcome=RecipientOutcome.ACCEPTED, reason=note)

    def fail(self, recipient: str, error: DeliveryError) -> None:
        """The provider refused this recipient, for now or for good."""
        outcome = RecipientOutcome.REFUSED if error.permanent else RecipientOutcome.LATER
        self.results[recipient] = RecipientResult(recipient=recipient, outcome=outcome, reason=error.reason)
        self._errors[recipient] = error

    def all_settled(self) -> dict[str, RecipientResult]:
        """The recipients that do not get the message again, by recipient; of this attempt and of earlier ones."""
        now = {name: one for name, one in self.results.items() if one.outcome is not RecipientOutcome.LATER}
        return self.settled | now

    @property
    def has_reached_somebody(self) -> bool:
        """Whether a recipient has the message, by this attempt or an earlier one."""
        return any(one.outcome is RecipientOutcome.ACCEPTED for one in self.all_settled().values())

    def conclude(self, recipients: Sequence[str]) -> None:
        """Decide how the whole message went, once every recipient was tried.

        raises    DeliveryError: temporary while a recipient may still get the message; permanent when none has it
        """
        waiting = self.remaining(recipients)
        if waiting:
            raise self._temporary(waiting, len(recipients))
        refused = [one for one in self.all_settled().values() if one.outcome is RecipientOutcome.REFUSED]
        reason = self._summary(len(refused), max(len(recipients), len(refused)), refused[0].reason) if refused else ""
        if not self.has_reached_somebody:
            raise self._permanent(reason)
        self.not_reached = reason

    def _temporary(self, waiting: Sequence[str], count: int) -> DeliveryError:
        errors = [self._errors[one] for one in waiting if one in self._errors]
        first = errors[0].reason if errors else "not tried yet"
        waits_s = [one.retry_after_s for one in errors if one.retry_after_s is not None]
        return DeliveryError(
            self._summary(len(waiting), count, first),
            retry_after_s=max(waits_s, default=None),
            got_response=all(one.got_response for one in errors),
        )

    def _permanent(self, reason: str) -> DeliveryError:
        """Nobody has it. That says the channel is wrong, unless a recipient refused the message for its content."""
        errors = [one for one in self._errors.values() if one.permanent]
        return DeliveryError(
            reason or "no recipient is left",
            permanent=True,
            channel_level=all(one.channel_level for one in errors),
            endpoint_gone=bool(errors) and all(one.endpoint_gone for one in errors),
        )

    def redact(self, mask: Callable[[str], str]) -> None:
        """Mask secrets in every reason."""
        self.not_reached = self.not_reached and mask(self.not_reached)
        self.results = {
            name: structs.replace(one, reason=one.reason and mask(one.reason)) for name, one in self.results.items()
        }

    def _summary(self, count: int, total: int, reason: str) -> str:
        """No recipient is named, as a server's reply may do: this text is logged."""
        for recipient in self.settled | self.results:
            reason = reason.replace(recipient, "(recipient)")
        return reason if total == 1 else f"{count} of {total} recipients not reached: {reason}"
