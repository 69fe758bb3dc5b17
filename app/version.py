"""Which version this is. The package takes its own from here."""

OURS = "0.1.0"
