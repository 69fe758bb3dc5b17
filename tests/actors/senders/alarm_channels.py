"""Channels of paging, text, mail and push services with a configurable server address."""

from schema.channels import (
    ChannelConfig,
    GrafanaOncall,
    Opsgenie,
    Pagerduty,
    Pagertree,
    Sendgrid,
    Twilio,
    Webpush,
)

ROUTING_KEY, GENIE_KEY, SENDGRID_KEY = "r0ut1ngs3cr3t00000000000000000ff", "g3n13-s3cr3t-k3y", "SG.s3cr3t-s3ndgr1d.k3y"
ONCALL_PATH = "/integrations/v1/formatted_webhook/0nc4lls3cr3t/"
PAGERTREE_PATH = "/integration/int_p4g3rs3cr3t"
ACCOUNT, KEY_SID, AUTH_TOKEN = "AC" + "0" * 32, "SK" + "1" * 32, "tw1l10-s3cr3t-t0k3n"
PUSH_PATH = "/wpush/v2/p0shs3cr3t-endpoint"
BROWSER = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"  # RFC 8291, 5
PUSH_AUTH = "BTBZMqHH6r4Tts7J_aSIgg"  # the same
VAPID = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"

SECRETS = (
    *(ROUTING_KEY, GENIE_KEY, SENDGRID_KEY, "0nc4lls3cr3t", PAGERTREE_PATH, "int_p4g3rs3cr3t", AUTH_TOKEN),
    *("p0shs3cr3t-endpoint", PUSH_AUTH, VAPID),
)


def channels_at(url: str) -> dict[str, ChannelConfig]:
    """One of each, by its type."""
    return {
        "pagerduty": Pagerduty(routing_key=ROUTING_KEY, server_url=url),
        "opsgenie": Opsgenie(api_key=GENIE_KEY, server_url=url),
        "grafana_oncall": GrafanaOncall(webhook_url=f"{url}{ONCALL_PATH}"),
        "pagertree": Pagertree(webhook_url=f"{url}{PAGERTREE_PATH}"),
        "sendgrid": Sendgrid(
            api_key=SENDGRID_KEY, sender="watch@home.example", to=["ops@home.example"], server_url=url
        ),
        "twilio": Twilio(
            account_sid=ACCOUNT, auth_token=AUTH_TOKEN, sender="+15005550006", to="+15005550010", server_url=url
        ),
        "webpush": Webpush(
            endpoint_url=f"{url}{PUSH_PATH}",
            p256dh=BROWSER,
            auth=PUSH_AUTH,
            private_key=VAPID,
            contact="ops@home.example",
        ),
    }
