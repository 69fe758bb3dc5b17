"""Jobs and services that report to us."""

from typing import Annotated

from msgspec import Meta, Struct


class Push(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="push"):
    """A job or a service that reports to us; silence beyond its schedule is a failure."""

    token: Annotated[
        str, Meta(pattern=r"^([A-Za-z0-9_-]{16,64})?$", description="Part of the push address; made when empty.")
    ] = ""
    grace: Annotated[
        Annotated[int, Meta(ge=1, le=2_678_400)] | None,
        Meta(description="Seconds a report may be late, and a started run may take. Default: a tenth of the interval."),
    ] = None
