"""Drafts of nouns that come in kinds: one struct per kind, chosen by `type`, with that kind's own `config`."""

from collections.abc import Mapping

import msgspec
from msgspec import Struct


def drafts_by_type(base: type[Struct], noun: str, configs: Mapping[str, type]) -> dict[str, type[Struct]]:
    """`base`, once for each type of config: `HttpMonitorDraft` is a MonitorDraft whose `type` is "http"."""
    return {
        tag: msgspec.defstruct(
            f"{config.__name__}{noun}Draft",
            [("config", config)],
            bases=(base,),
            tag_field="type",
            tag=tag,
            frozen=True,
            kw_only=True,
            forbid_unknown_fields=True,
            namespace={"__doc__": (config.__doc__ or "").strip()},
        )
        for tag, config in configs.items()
    }
