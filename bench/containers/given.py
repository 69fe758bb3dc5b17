"""A value for every setting, so that each can be seen to arrive: harmless, and not its default where it can be."""

TOKEN = "an admin token for the trial"
PORT = 18034
PASSWORD = "a_password_of_the_trial"

# What `compose.yaml` decides by itself, since it is about the inside of a container.
INSIDE = ("SERVER_HOST", "SERVER_PORT", "DATA_DIR", "LOG_FILE", "HEALTH_FILE")

VALUES = {
    "SERVER_HOST": "127.0.0.1",
    "SERVER_PORT": str(PORT),
    "CLIENT_URL": "https://watch.example.org",
    "MODE": "dev",
    "LOG_LEVEL": "warn",
    "LOG_FILE": "/var/log/of/the/host.log",
    "HEALTH_FILE": "/var/run/of/the/host",
    "TZ": "Europe/Oslo",
    "SERVICE_NAME": "trial",
    "DATA_DIR": "/srv/of/the/host",
    "SECRETS_FILE": "/dev/null",
    "DB_TYPE": "postgres",
    "DB_HOST": "postgres",
    "DB_PORT": "5432",
    "DB_NAME": "trial",
    "DB_USER": "tester",
    "DB_PASS": PASSWORD,
    "DB_SSLMODE": "disable",
    "REDIS_HOST": "redis",
    "REDIS_PORT": "6379",
    "REDIS_PASSWORD": PASSWORD,
    "REDIS_DB": "1",
    "REDIS_URL": f"redis://:{PASSWORD}@redis:6379/2",
    "QUEUE_CONCURRENCY": "64",
    "PRODUCER_CONCURRENCY": "11",
    "CHECK_CONCURRENCY": "500",
    "BRUTEFORCE_MAX_ATTEMPTS": "21",
    "BRUTEFORCE_WINDOW": "2m",
    "BRUTEFORCE_LOCKOUT": "3m",
    "RATE_LIMIT_AUTH": "121/m",
    "RATE_LIMIT_READ": "6001/m",
    "RATE_LIMIT_WRITE": "3001/m",
    "RATE_LIMIT_RUN": "601/m",
    "LIVE_SOCKETS_PER_ADDRESS": "101",
    "LIVE_SOCKETS_PER_USER": "51",
    "REQUEST_TIMEOUT": "50s",
    "BODY_TIMEOUT": "31s",
    "REGISTRATION_OPEN": "true",
    "TRUSTED_PROXIES": "10.0.0.0/8",
    "CONNECTIVITY_CHECK_HOSTS": "postgres:5432",
    "DEAD_MANS_SWITCH_URL": "http://api:8034/api/v1/health",
    "DEAD_MANS_SWITCH_INTERVAL": "2m",
    "AUDIT_RETENTION_DAYS": "123",
    "OIDC_ISSUER": "https://login.example.org",
    "OIDC_CLIENT_ID": "trial",
    "OIDC_CLIENT_SECRET": "a secret of the client",
    "OIDC_SCOPES": "openid groups",
    "OIDC_REDIRECT_URL": "https://watch.example.org/api/v1/auth/oidc/callback",
    "OIDC_ROLE_CLAIM": "groups",
    "OIDC_ADMIN_VALUES": "admins",
    "OIDC_OPERATOR_VALUES": "operators",
    "OIDC_AUTO_CREATE": "true",
    "API_SECRET_KEY_FILE": "/run/secrets/api_secret_key",
    "API_SECRET_KEY_PREVIOUS": "the key before this one",
    "API_ADMIN_TOKEN": TOKEN,
}

# The file that people write for Docker's secrets, as docs/operate.md shows it.
OVERRIDE = """
services:
  api: &secrets
    secrets: [api_secret_key]
  scheduler: *secrets
  worker: *secrets
secrets:
  api_secret_key: { file: ./api_secret_key }
"""
