"""Describes a device in a few words from its `User-Agent`. Pure; for display only, never for a decision."""

import re

BROWSERS = (  # the first match counts: most browsers also name Safari, and many Chrome
    ("Edge", r"\bEdgA?/|\bEdgiOS/"),
    ("Opera", r"\bOPR/"),
    ("Samsung Internet", r"\bSamsungBrowser/"),
    ("Firefox", r"\bFirefox/|\bFxiOS/"),
    ("Chrome", r"\bChrome/|\bCriOS/|\bChromium/"),
    ("Safari", r"\bSafari/"),
)
SYSTEMS = (  # Android also names Linux, and iOS Mac OS
    ("iPhone", r"\biPhone\b"),
    ("iPad", r"\biPad\b"),
    ("Android", r"\bAndroid\b"),
    ("Windows", r"\bWindows\b"),
    ("macOS", r"\bMacintosh\b|\bMac OS X\b"),
    ("ChromeOS", r"\bCrOS\b"),
    ("Linux", r"\bLinux\b|\bX11\b"),
)
PRODUCT = re.compile(r"[A-Za-z][A-Za-z0-9._+-]{0,39}")
UNKNOWN = "unknown"


def device_of(agent: str) -> str:
    """Browser and system, as in "Firefox on Linux"; for other programs their name."""
    browser, system = _first_match(BROWSERS, agent), _first_match(SYSTEMS, agent)
    if browser and system:
        return f"{browser} on {system}"
    product = PRODUCT.match(agent)
    return browser or (product.group() if product else UNKNOWN)


def _first_match(choices: tuple[tuple[str, str], ...], agent: str) -> str:
    return next((name for name, pattern in choices if re.search(pattern, agent)), "")
