"""Targets of push monitors: jobs and services that report to us."""

from typing import Annotated

from msgspec import Meta, Struct

Token = Annotated[
    str,
    Meta(
        pattern=r"^([A-Za-z0-9_-]{16,64}|\*{8})?$(?!\n)",
        extra={"secret": True},
        description="Part of the push address: whoever has it can report. Made when empty; shown when it is made, and"
        " to admins who ask for it. Kept sealed, shown as ********.",
    ),
]


class Push(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="push"):
    """A job or a service that reports to us; silence beyond its schedule is a failure."""

    token: Token = ""
    grace: Annotated[
        Annotated[int, Meta(ge=1, le=2_678_400)] | None,
        Meta(description="Seconds a report may be late, and a started run may take. Default: a tenth of the interval."),
    ] = None
