"""Every field is masked for readers who could act with it, or has a reason to be readable."""

import importlib
import pkgutil
import re
from typing import Any

import msgspec
import pytest
from msgspec import Struct

import schema
from app.security.secrets import config_views, sealing
from schema.channels import PROVIDERS, Ntfy, Webhook
from schema.field_types import MASK
from schema.proxies import ProxyConfig
from schema.targets import TARGETS, Dns
from schema.targets.dns import DnsTransport
from schema.targets.http import OAuth2
from tests import make

# Texts of configs that every reader may see, by the reason why they give no access.
PUBLIC_TEXTS = {
    "where it is": """
        host daemon brokers resolver_server resolvers resolver_name rdap_url whois_server server_name domain
        proxy_id container
    """,
    "who we are; a name lets nobody in": """
        username auth_username client_id bind_dn account_sid api_key_sid number session device device_iden
    """,
    "whom a message is for, or who it is from": """
        sender to cc bcc from_email to_email contact chat_id room_id recipients channel channel_tag sound
        sound_up icon_emoji reply_to
    """,
    "what is looked for in an answer": """
        keyword regex json_query expected expected_content unexpected_content expect accepted_statuscodes
        fingerprint map path attribute filter base oid column
    """,
    "what is asked for; it reads, and needs a sign-in of its own": """
        command query database auth_database service method context virtual_host topic scopes
    """,
    "public keys and certificates": """
        ca_cert client_cert p256dh
    """,
    "one of a few words": """
        security content_type
    """,
    "words for people": """
        subject message members
    """,
    "what the catalogue of services does not call secret": """
        fields
    """,
}
REASONS = {name: reason for reason, names in PUBLIC_TEXTS.items() for name in names.split()}
HIDDEN = {"ntfy.topic": "a password where the server has no accounts", "kafka-producer.message": "what is sent"}


def configs() -> dict[str, type[Struct]]:
    return {**TARGETS, **PROVIDERS, "oauth2": OAuth2, "proxy": ProxyConfig}


def texts() -> list[tuple[str, str, Any]]:
    """Every field of a config that holds text: (type, name, its type)."""
    fields = [(name, one) for name, kind in configs().items() for one in msgspec.structs.fields(kind)]
    return [(name, one.name, one.type) for name, one in fields if "str" in str(one.type)]


def is_masked(type_: Any) -> bool:
    return sealing.is_secret(type_) or config_views.restriction_of(type_) is not None


@pytest.mark.parametrize(("type_", "name", "kind"), texts(), ids=lambda one: one if isinstance(one, str) else "")
def test_a_text_of_a_config_is_masked_or_has_a_reason(type_: str, name: str, kind: Any) -> None:
    assert is_masked(kind) or name in REASONS, f"{type_}.{name}: may its reader act with it?"
    assert is_masked(kind) or f"{type_}.{name}" not in HIDDEN


SOUNDING = re.compile(
    "token|secret|password|key|url|link|cookie|credential|hash|body|signature|ticket|uri|recovery|challenge|code$|codes$"
)
OPEN = {  # of all other structs: what sounds like a credential and is shown or sent, and why
    "shown once, to who made it": """
        IssuedApiKey.key IssuedInvitation.token IssuedInvitation.link TotpSetup.secret TotpSetup.otpauth_uri
        TwoFactorEnabled.recovery_codes CreatedPasskey.recovery_codes LoginResponse.access_token
        LoginResponse.refresh_token LoginResponse.token_type WebhookEndpoint.secret WebhookSecret.secret
        TemplatePreview.body
    """,
    "shown to admins who ask, on the record": "PushAddress.token",
    "sent by its owner, and shown to nobody": """
        TotpSetupRequest.password TotpConfirmation.token DisableTwoFactor.password DisableTwoFactor.token
        RecoveryCodesRequest.password RecoveryCodesRequest.token TwoFactorLogin.mfa_token TwoFactorLogin.token
        Auth.token InvitationAcceptance.token InvitationAcceptance.password PasskeyOptionsRequest.password
        PasskeyLoginOptionsRequest.mfa_token PasskeyLogin.mfa_token UserDraft.password PasswordReset.password
        GeneratedPassword.password PasswordChange.old_password PasswordChange.new_password Registration.password
        Registration.setup_token Login.password Login.token RefreshRequest.refresh_token ProfilePatch.password
        ProfilePatch.token PasskeyAssertion.signature
        PasswordGrant.password PasswordGrant.token PasswordGrant.client_secret
    """,
    "of one reply, between two of our processes": "AdHocProbe.token",
    "names something, and opens nothing": """
        AuditEntry.key_id NewAuditEntry.key_id Principal.key_id Principal.credential_fingerprint
        Setting.key AuditEntry.hash AuditEntry.code NewAuditEntry.code
        ErrorBody.code PasskeyOptions.public_key Credential.key_id
    """,
    "for operators and admins alone": "WebhookDraft.url WebhookPatch.url WebhookEndpoint.url",
    "the link of a message, for who gets the message": "Message.ack_url",
}


def others() -> list[type[Struct]]:
    """Every struct that is no config."""
    modules = [importlib.import_module(one.name) for one in pkgutil.walk_packages(schema.__path__, "schema.")]
    found = [one for module in modules for one in vars(module).values() if isinstance(one, type)]
    structs = {one for one in found if issubclass(one, Struct) and one.__module__.startswith("schema.")}
    return sorted(structs - {*configs().values()}, key=lambda one: f"{one.__module__}.{one.__name__}")


@pytest.mark.parametrize("kind", others(), ids=lambda one: one.__name__)
def test_fields_named_like_credentials_are_masked_or_have_a_reason(kind: type[Struct]) -> None:
    known = {name for names in OPEN.values() for name in names.split()}
    for one in msgspec.structs.fields(kind):
        if SOUNDING.search(one.name) and "str" in str(one.type) and not is_masked(one.type):
            assert f"{kind.__name__}.{one.name}" in known


@pytest.mark.parametrize(
    ("config", "path", "printed"),
    [
        (make.http(url="https://a.example/b/c"), "url", "https://a.example/b/c"),
        (make.http(url="https://a.example/b?token=sesame&c=d#e"), "url", f"https://a.example/b?{MASK}"),
        (make.http(url="https://a.example#sesame"), "url", f"https://a.example#{MASK}"),
        (make.http(body="sesame"), "body", MASK),
        (make.http(body=""), "body", ""),
        (Webhook(url="https://hooks.example:8443/T0/sesame?x=y"), "url", f"https://hooks.example:8443/{MASK}"),
        (Webhook(url="https://hooks.example?sesame"), "url", f"https://hooks.example/{MASK}"),
        (Webhook(url="https://hooks.example/"), "url", "https://hooks.example/"),
        (Webhook(url="https://hooks.example"), "url", "https://hooks.example"),
        (Ntfy(topic="sesame"), "topic", MASK),
        (
            Ntfy(topic="t", server_url="https://ntfy.example/?auth=sesame"),
            "server_url",
            f"https://ntfy.example/?{MASK}",
        ),
        (
            Dns(host="a", transport=DnsTransport.HTTPS, resolver_url="https://dns.example/sesame"),
            "resolver_url",
            f"https://dns.example/{MASK}",
        ),
    ],
)
def test_viewers_see_what_opens_nothing(config: Struct, path: str, printed: str) -> None:
    assert getattr(config_views.mask_restricted(config), path) == printed
    assert "sesame" not in str(config_views.mask_restricted(config))


def test_a_nested_config_is_masked_in_a_copy() -> None:
    auth = OAuth2(token_url="https://id.example/t?tenant=sesame", client_id="c", client_secret="s")
    config = make.http(auth=auth)
    printed = config_views.mask_restricted(config)
    assert isinstance(printed.auth, OAuth2)
    assert printed.auth.token_url == f"https://id.example/t?{MASK}"
    assert config.auth is auth
    assert [*config_views.hidden_values(config)] == ["", "", "tenant=sesame"]


def test_a_list_of_addresses_is_cut_one_by_one() -> None:
    kind = TARGETS["rabbitmq"]
    nodes = ["https://a.example/?k=sesame", "https://b.example/"]
    config = msgspec.convert({"type": "rabbitmq", "nodes": nodes, "username": "u"}, kind)
    assert config_views.mask_restricted(config).nodes == [f"https://a.example/?{MASK}", "https://b.example/"]


def test_no_reason_is_left_of_a_field_that_is_gone() -> None:
    assert REASONS.keys() == {name for _, name, kind in texts() if not is_masked(kind)}
