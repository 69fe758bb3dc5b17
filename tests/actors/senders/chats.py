"""Channels of chat and push providers as a user would configure them; every secret contains `s3cr3t`."""

from schema.channels import (
    ChannelConfig,
    GoogleChat,
    Gotify,
    Line,
    Matrix,
    Mattermost,
    Pushbullet,
    Pushover,
    Signal,
    Teams,
    Wecom,
    Whatsapp,
)

MATTERMOST_PATH = "/hooks/s3cr3t-mattermost-key"
TEAMS_PATH = "/workflows/4711/triggers/manual/paths/invoke?api-version=1&sig=s3cr3t-teams-signature"
GOOGLE_PATH = "/v1/spaces/AAAA/messages?key=s3cr3t-google-key&token=s3cr3t-google-token"
WECOM_PATH = "/cgi-bin/webhook/send?key=s3cr3t-wecom-key"
ROOM, USER = "!ops:home.example", f"U{'0123456789abcdef' * 2}"


def chats(url: str) -> dict[str, ChannelConfig]:
    """One of each, whose server is at `url`."""
    return {
        "gotify": Gotify(server_url=url, app_token="s3cr3t-gotify-token"),
        "pushover": Pushover(server_url=url, user_key="s3cr3t-pushover-user", app_token="s3cr3t-pushover-app"),
        "matrix": Matrix(server_url=url, room_id=ROOM, access_token="s3cr3t-matrix-token"),
        "mattermost": Mattermost(webhook_url=f"{url}{MATTERMOST_PATH}"),
        "teams": Teams(webhook_url=f"{url}{TEAMS_PATH}"),
        "google_chat": GoogleChat(webhook_url=f"{url}{GOOGLE_PATH}"),
        "signal": Signal(server_url=url, number="+491520000000", recipients=["group.b3Bz"]),
        "wecom": Wecom(webhook_url=f"{url}{WECOM_PATH}"),
        "whatsapp": Whatsapp(server_url=url, api_key="s3cr3t-waha-key", chat_id="12025550123@c.us"),
        "line": Line(server_url=url, channel_access_token="s3cr3t-line-token", to=USER),
        "pushbullet": Pushbullet(server_url=url, access_token="s3cr3t-pushbullet-token"),
    }


CHATS = tuple(chats(""))
