"""What readers of configs raise: the field that can't be used, and what would be right."""


class InvalidField(ValueError):  # noqa: N818  # names the fact
    """A field of a config that nothing can be asked with. Its words complete a sentence that begins with the field."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"`{field}` {reason}")
        self.field, self.reason = field, reason
