"""What signed in, in short words, from its `User-Agent`. Pure; a guess for people, never a decision for us."""

import re

BROWSERS = (  # the first that is named: most call themselves Safari, too, and many Chrome
    ("Edge", r"\bEdgA?/|\bEdgiOS/"),
    ("Opera", r"\bOPR/"),
    ("Samsung Internet", r"\bSamsungBrowser/"),
    ("Firefox", r"\bFirefox/|\bFxiOS/"),
    ("Chrome", r"\bChrome/|\bCriOS/|\bChromium/"),
    ("Safari", r"\bSafari/"),
)
SYSTEMS = (  # Android calls itself Linux, too, and iOS Mac OS
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
    """Browser and system, as in "Firefox on Linux"; of other programs their name."""
    browser, system = _first_match(BROWSERS, agent), _first_match(SYSTEMS, agent)
    if browser and system:
        return f"{browser} on {system}"
    named = PRODUCT.match(agent)
    return browser or (named.group() if named else UNKNOWN)


def _first_match(choices: tuple[tuple[str, str], ...], agent: str) -> str:
    return next((name for name, pattern in choices if re.search(pattern, agent)), "")
