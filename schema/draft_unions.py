"""Tagged unions of drafts: one struct per type, chosen by `type`, each with the `config` of that type."""

from collections.abc import Mapping

import msgspec
from msgspec import Struct


def drafts_by_type(base: type[Struct], noun: str, configs: Mapping[str, type]) -> dict[str, type[Struct]]:
    """One subclass of `base` per type of config: `HttpMonitorDraft` is a MonitorDraft whose `type` is "http"."""
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
