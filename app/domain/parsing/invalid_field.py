"""The error that parsers of configs raise: the invalid field, and what it must be."""


class InvalidField(ValueError):  # noqa: N818  # names the fact
    """A field of a config that no check can use. `reason` completes a sentence that begins with the field."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"`{field}` {reason}")
        self.field, self.reason = field, reason
