"""Parameters as they are on the wire: without null, and without attributes that have OpenAPI's default value."""

from typing import Any

Node = dict[str, Any]
DESCRIPTIONS = {  # of parameters that have no description of their own, by name
    "action": "The action, such as `monitor.updated`.",
    "active": "Only active ones, or only inactive ones.",
    "actor": "The caller, by id or user name.",
    "channel_id": "The notification channel's id.",
    "check_id": "The check's id, which is the monitor's.",
    "delivery_id": "The delivery's id.",
    "enabled": "Only enabled checks, or only disabled ones.",
    "escalation_id": "The escalation's id.",
    "event": "Only deliveries of this event.",
    "important": "Only important heartbeats, or only others. At important ones the status changed.",
    "incident_id": "The incident's id.",
    "invitation_id": "The invitation's id.",
    "key": "The setting's name, such as `delivery.give_up_after_hours`.",
    "key_id": "The API key's id.",
    "kind": "Only outages of monitors, or only incidents that people created.",
    "monitor_id": "The monitor's id.",
    "order": "The direction of sorting.",
    "outcome": "Only those with this outcome.",
    "passkey_id": "The passkey's id.",
    "period": "The period of the summary, which ends now.",
    "plugin_name": "A name from `GET /plugins`, or an alias.",
    "plugin_type": "Only checks of this type.",
    "protocol": "Only proxies with this protocol.",
    "proxy_id": "The proxy's id.",
    "resource": "The kind of resource, such as `monitor`.",
    "resource_id": "The resource's id.",
    "result_id": "The result's id, an opaque text.",
    "role": "Only users with this role.",
    "session_id": "The session's id.",
    "signal": "`start`, `fail`, `log`, or an exit code.",
    "sort": "The field to sort by.",
    "state": "Only those in this state.",
    "status": "Only those with this status.",
    "tag_id": "The tag's id.",
    "token": "The monitor's push token.",
    "type": "Only those of this type.",
    "user_id": "The user's id.",
    "webhook_id": "The webhook's id.",
}
LOCATIONS = ("path", "query", "header", "cookie")
DEFAULTS = {"deprecated": False, "allowEmptyValue": False, "allowReserved": False, "required": False}


def describe_parameters(operation: Node) -> None:
    """Order an operation's parameters by location, and remove null and default attributes from them."""
    described = [_describe_parameter(one) for one in operation.pop("parameters", None) or []]
    if described:
        operation["parameters"] = sorted(described, key=lambda one: LOCATIONS.index(one["in"]))


def _describe_parameter(parameter: Node) -> Node:
    explicit = {key: value for key, value in parameter.items() if DEFAULTS.get(key, ...) != value}
    described = {"description": DESCRIPTIONS[name]} if (name := explicit["name"]) in DESCRIPTIONS else {}
    return {**described, **explicit, "schema": without_null(parameter["schema"])}


def without_null(schema: Node) -> Node:
    """The same type without null: an absent parameter takes its place."""
    members = [one for one in schema.get("oneOf", ()) if one != {"type": "null"}]
    if len(members) == 1:
        rest = {name: value for name, value in schema.items() if name != "oneOf"}
        return without_null({**members[0], **rest})
    if members:
        return {**schema, "oneOf": members}
    if not isinstance(schema.get("type"), list):
        return schema
    (kind,) = [one for one in schema["type"] if one != "null"]
    values = {"enum": [one for one in schema["enum"] if one is not None]} if "enum" in schema else {}
    return {**schema, "type": kind, **values}
