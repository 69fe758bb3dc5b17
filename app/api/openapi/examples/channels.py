"""An example of each type of notification channel. Keys and addresses have a valid form, but are not real."""

from typing import Any

SENDER, RECIPIENT = "watchkeeper@example.org", "me@example.org"
CONFIGS: dict[str, dict[str, Any]] = {
    "webhook": {"url": "https://hooks.example.org/watchkeeper", "secret": "s3cret"},
    "smtp": {"host": "mail.example.org", "username": "watchkeeper", "password": "s3cret", "sender": SENDER,
             "to": [RECIPIENT]},
    "slack": {"webhook_url": "https://hooks.slack.com/services/T000/B000/XXXX"},
    "discord": {"webhook_url": "https://discord.com/api/webhooks/000/XXXX"},
    "telegram": {"bot_token": "000:XXXX", "chat_id": "123456"},
    "ntfy": {"server_url": "https://ntfy.sh", "topic": "my-alerts-2f6c1d0a"},
    "gotify": {"server_url": "https://gotify.example.org", "app_token": "XXXX"},
    "pushover": {"user_key": "XXXX", "app_token": "XXXX"},
    "matrix": {"server_url": "https://matrix.example.org", "room_id": "!room:example.org", "access_token": "XXXX"},
    "mattermost": {"webhook_url": "https://chat.example.org/hooks/XXXX"},
    "teams": {"webhook_url": "https://example.org/workflows/XXXX"},
    "google_chat": {"webhook_url": "https://chat.googleapis.com/v1/spaces/XXXX/messages?key=XXXX&token=XXXX"},
    "signal": {"server_url": "http://signal.example.org:8080", "number": "+491701234567",
               "recipients": ["+491707654321"]},
    "wecom": {"webhook_url": "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=XXXX"},
    "whatsapp": {"server_url": "http://waha.example.org:3000", "chat_id": "12025550123@c.us"},
    "line": {"channel_access_token": "XXXX", "to": "U0123456789abcdef0123456789abcdef"},
    "pushbullet": {"access_token": "XXXX"},
    "grafana_oncall": {"webhook_url": "https://oncall.example.org/integrations/v1/formatted_webhook/XXXX/"},
    "opsgenie": {"api_key": "XXXX", "region": "eu"},
    "pagerduty": {"routing_key": "0123456789abcdef0123456789abcdef"},
    "pagertree": {"webhook_url": "https://api.pagertree.com/integration/XXXX"},
    "sendgrid": {"api_key": "SG.XXXX", "sender": SENDER, "to": [RECIPIENT]},
    "twilio": {"account_sid": "AC0123456789abcdef0123456789abcdef", "auth_token": "XXXX", "sender": "Watchkeeper",
               "to": "+491701234567"},
    "webpush": {
        "endpoint_url": "https://push.example.org/send/XXXX",
        "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
        "auth": "BTBZMqHH6r4Tts7J_aSIgg",
        "private_key": "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw",
        "contact": RECIPIENT,
    },
    "apprise": {"url": "zulip://bot@example/a6k4Ab1cd2Ef3gh4Ij5kl6Mn7op8Qr9s/alerts"},
}  # fmt: skip


def drafts() -> dict[str, Any]:
    """Bodies of `CreateChannel`, by type."""
    return {type_: {"name": f"On call, by {type_}", "type": type_, "config": one} for type_, one in CONFIGS.items()}
