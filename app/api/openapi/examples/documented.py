"""Examples of the checks API and of webhooks, by operation, as their source documents have them."""

from typing import Any

CONFIG = {"url": "https://example.com", "expected_status": 200}
AD_HOC = {"plugin_type": "website", "config": CONFIG}
DRAFT = {"name": "New Website Check", **AD_HOC, "enabled": True, "schedule": "every 5 minutes"}
PATCH = {"name": "Updated Website Check", "config": {**CONFIG, "timeout": 30}}
CHECK = {
    "id": "123e4567-e89b-12d3-a456-426614174000",
    "name": "Example Website Check",
    "plugin_type": "website",
    "config": CONFIG,
    "enabled": True,
    "schedule": "every 5 minutes",
    "last_run": "2023-04-01T12:00:00Z",
    "created_at": "2023-01-01T00:00:00Z",
    "updated_at": "2023-04-01T12:00:00Z",
}
OUTCOME = {
    "status": "success",
    "message": "Website responded with status 200",
    "response_time": 0.342,
    "raw_data": {"status_code": 200, "headers": {"content-type": "text/html"}},
}
RESULT = {
    "id": "123e4567-e89b-12d3-a456-426614174000",
    "check_id": "456e7890-e12b-34d5-a678-426614174000",
    **OUTCOME,
    "executed_at": "2023-04-01T12:00:00Z",
}
PAGE = {"page": 1, "per_page": 20, "total": 1, "pages": 1}
CHECKS = {"checks": [CHECK], **PAGE}
RESULTS = {"results": [RESULT], **PAGE}
SUMMARY = {
    "period": "day",
    "from_date": "2023-03-31T12:00:00Z",
    "to_date": "2023-04-01T12:00:00Z",
    "total_checks": 100,
    "statuses": {
        "success": {"count": 95, "percent": 95.0},
        "warning": {"count": 3, "percent": 3.0},
        "error": {"count": 2, "percent": 2.0},
    },
}
PLUGIN = {
    "name": "website",
    "aliases": ["website_status"],
    "description": "Check website availability and status",
    "required_config": {"url": "URL to check"},
    "optional_config": {
        "expected_status": "Expected HTTP status code (default: 200)",
        "timeout": "Request timeout in seconds (default: 10)",
    },
}
BATCH = {"checks": ["check_id_1", "check_id_2", "check_id_3"], "max_workers": 5, "timeout": 30}
BATCH_RESULTS = {"results": [{"check_id": "check_id_1", "result": {**RESULT, "check_id": "check_id_1"}}]}
AD_HOC_BATCH = {
    "checks": [AD_HOC, {"plugin_type": "dns", "config": {"domain": "example.com", "record_type": "A"}}],
    "max_workers": 5,
    "timeout": 30,
}
AD_HOC_RESULT = {**RESULT, "id": None, "check_id": None}
AD_HOC_RESULTS = {"results": [{**AD_HOC, "result": AD_HOC_RESULT}]}

WEBHOOK = {
    "url": "https://your-site.com/webhook",
    "events": ["backend.down", "cluster.node_failed"],
    "secret": "webhook-secret",
}
REQUESTS: dict[str, Any] = {
    "CreateCheck": DRAFT,
    "UpdateCheck": PATCH,
    "RunAdHocCheck": AD_HOC,
    "RunBatch": BATCH,
    "RunAdHocBatch": AD_HOC_BATCH,
    "CreateWebhook": WEBHOOK,
}
RESPONSES: dict[str, Any] = {
    "ListChecks": CHECKS,
    "CreateCheck": CHECK,
    "GetCheck": CHECK,
    "UpdateCheck": CHECK,
    "RunCheck": RESULT,
    "RunAdHocCheck": AD_HOC_RESULT,
    "ListResults": RESULTS,
    "ListCheckResults": RESULTS,
    "GetResult": RESULT,
    "GetResultSummary": SUMMARY,
    "ListPlugins": {"plugins": [PLUGIN], "count": 1},
    "GetPlugin": PLUGIN,
    "RunBatch": BATCH_RESULTS,
    "RunAdHocBatch": AD_HOC_RESULTS,
}
