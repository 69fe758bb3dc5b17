"""Which version this is. The package takes its own from here."""

VERSION = "0.1.0"
