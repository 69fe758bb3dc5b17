"""Targets of push monitors: jobs and services that report to us."""

from typing import Annotated

from msgspec import Meta, Struct

Token = Annotated[
    str,
    Meta(
        pattern=r"^([A-Za-z0-9_-]{16,64}|\*{8})?$(?!\n)",
        extra={"secret": True},
        description="Token in the push URL: anyone who has it can report. Generated if empty. Shown once, and to admins"
        " on request. Stored encrypted; otherwise shown as ********.",
    ),
]


class Push(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="push"):
    """A job or service that reports to Watchkeeper; a missing report is a failure."""

    token: Token = ""
    grace: Annotated[
        Annotated[int, Meta(ge=1, le=2_678_400)] | None,
        Meta(description="Seconds that a report may be late, or a started run may take. Default: interval / 10."),
    ] = None
