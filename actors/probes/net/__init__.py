"""TLS, DNS, UDP and proxies."""
