"""Jobs and services that report to us."""

from typing import Annotated

from msgspec import Meta, Struct


class Push(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="push"):
    """A job or a service that reports to us; silence longer than the interval is a failure."""

    token: Annotated[
        str, Meta(pattern=r"^([A-Za-z0-9_-]{16,64})?$", description="Part of the push address; made when empty.")
    ] = ""
