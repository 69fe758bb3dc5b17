"""The result of a check for the tables of oddities: the validation error of a config, or the check's message."""

import subprocess
from collections.abc import Awaitable, Callable
from typing import Any

from app.domain.validation import structs
from app.errors import Invalid
from app.store.monitoring import config_secrets
from schema.jobs import CheckOutcome
from schema.targets import TARGETS
from tests import oddities

EXCERPT_CHARS = 160  # characters of the output


async def checked(
    check: Callable[..., Awaitable[CheckOutcome]], type_: str, config: dict[str, Any], **names: str
) -> str:
    """What becomes of this config, in one cell."""
    try:
        target = config_secrets.validate_new(structs.validate(config, TARGETS[type_], "config"))
    except Invalid as refused:
        return oddities.named(f"not saved: {'; '.join(one.message for one in refused.fields)}", **names)
    outcome = await check(target, detailed=True)
    value = (outcome.detail or {}).get("value") if not outcome.message else None
    message = oddities.words_of(outcome, **names)
    return oddities.named(f"{message}: {value}" if value is not None else message, **names)


def commanded(command: list[str], environ: dict[str, str], **names: str) -> str:
    """The result of a command line: the first line of its output, or of its error output."""
    done = subprocess.run(command, capture_output=True, text=True, env=environ, timeout=60, check=False)
    output = done.stdout.strip() if not done.returncode else done.stderr.strip()
    lines = [line for line in output.splitlines() if line.strip()]
    line = lines[0] if lines else ""
    message = oddities.YES if not done.returncode else oddities.NO
    return f"{message}: {oddities.named(line, **names)[:EXCERPT_CHARS].strip()}" if line else message
