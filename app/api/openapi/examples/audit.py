"""An example of the exported audit log, in each of its formats."""

import msgspec

from app.api.openapi.examples.ids import MONITOR_ID

ENTRY = {
    "seq": 4711,
    "at": "2025-08-09T12:00:00Z",
    "actor_id": "5d2c4b8e-6f1a-4d3b-9c7e-8a9b0c1d2e3f",
    "actor": "ada",
    "role": "admin",
    "via": "jwt",
    "key_id": "",
    "ip": "192.0.2.7",
    "action": "monitor.paused",
    "resource": "monitor",
    "resource_id": MONITOR_ID,
    "change": {},
    "outcome": "done",
    "code": "",
    "request_id": "0af7651916cd43dd8448eb211c80319c",
    "hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
}
RESPONSE_TEXTS = {  # by operation, then by media type
    "ExportAudit": {
        "application/x-ndjson": msgspec.json.encode(ENTRY).decode() + "\n",
        "text/csv": f"{','.join(ENTRY)}\r\n{','.join(str(value) for value in ENTRY.values())}\r\n",
    }
}
