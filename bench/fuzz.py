"""python -m bench.fuzz [--examples N] [--seconds S] [--seed N]: the whole API against its own document.

One pass makes N requests for each operation, and those that the document has as examples. With `--seconds` every edge
of every schema and chains of requests come beside them, pass after pass.

Schemathesis makes requests from `/api/v1/openapi.json`, right ones and wrong ones, as nobody and as an admin side by
side; no reply may be one of ours that the document does not have, and none a failure of ours. What is allowed besides
stands in `bench/schemathesis.toml`, with its reason. The product runs as `up` runs it, and may connect nowhere:
addresses are made up.
Exits with 1 when something does not hold, and when an operation of the document was not tested, whatever the time.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import msgspec
from msgspec import Struct

from bench.installation import Installation, fresh_installation
from bench.programs import ROOT

TOKEN = "a-token-for-the-length-of-this-run"
ENVIRON = {"API_ADMIN_TOKEN": TOKEN, "BRUTEFORCE_MAX_ATTEMPTS": "1000000"}
NOWHERE = {"allow_private": False, "allow": [], "deny": ["0.0.0.0/0", "::/0"]}
USES = ("checks", "webhooks", "senders", "oauth")
IDENTITIES = {"nobody": [], "admin": ["-H", f"Authorization: Bearer {TOKEN}"]}
METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})
ONE_PASS = ["--phases", "examples,fuzzing"]  # edges of schemas and chains of requests are bounded by time alone
LIMIT_S = 1_800.0  # one pass takes a minute or two; longer than this it hangs
OVER_S = 120.0  # beyond its time the last examples are finished


class Outcome(Struct, frozen=True):
    """How one run went. `tested` are operations with at least one checked reply."""

    who: str
    exit_code: int
    tested: frozenset[str] = frozenset()


def operations_of(document: dict[str, Any]) -> frozenset[str]:
    """Every operation of an OpenAPI document, as `GET /path`."""
    return frozenset(
        f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item if method in METHODS
    )


def checked_in(junit: str) -> frozenset[str]:
    """The operations that a JUnit report has as tested: neither skipped nor given up with an error."""
    cases = ET.fromstring(junit).iter("testcase")  # our own child wrote it
    return frozenset(one.get("name", "") for one in cases if one.find("skipped") is None and one.find("error") is None)


def verdict_of(outcome: Outcome, operations: frozenset[str]) -> tuple[bool, str]:
    """Whether the run holds, and the sentence for it."""
    tested, missing = len(operations & outcome.tested), sorted(operations - outcome.tested)
    summary = f"{outcome.who}: {tested} of {len(operations)} operations tested"
    if not operations:
        return False, f"{outcome.who}: the document has no operations."
    if missing:
        listed = ", ".join(missing[:5]) + (", …" if len(missing) > 5 else "")
        return False, f"{summary}; not tested: {listed}."
    if outcome.exit_code:
        return False, f"{summary}; something does not hold, see above."
    return True, f"{summary}, and everything holds."


async def fuzz(of: Installation, who: str, bounds: Sequence[str], limit_s: float) -> Outcome:
    """Run Schemathesis as one of the identities, and print its report when it has ended."""
    report, log = of.folder / f"{who}.xml", of.folder / f"{who}.log"
    words = [
        "--config-file", str(ROOT / "bench" / "schemathesis.toml"), "run", of.url("/openapi.json"),
        "--no-color", "--continue-on-failure", "--report-junit-path", str(report), *bounds, *IDENTITIES[who],
    ]  # fmt: skip
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).with_name("schemathesis")), *words, cwd=of.folder, stdout=file, stderr=file
        )
        try:
            await asyncio.wait_for(process.wait(), limit_s)
        except TimeoutError:
            print(f"{who}: not done after {limit_s:.0f} s")
        finally:
            if process.returncode is None:
                process.kill()
    exit_code = await process.wait()
    print(f"== {who}\n{log.read_text(errors='replace')}", flush=True)
    return Outcome(who, exit_code, checked_in(report.read_text()) if report.exists() else frozenset())


async def run(bounds: Sequence[str], limit_s: float) -> bool:
    """One installation, fuzzed by all at once. Whether everything was tested and passed."""
    async with fresh_installation(ENVIRON) as installed:
        await installed.start()
        await installed.register()
        for use in USES:
            await installed.call("PUT", f"/settings/key/egress.{use}", {"value": NOWHERE})
        async with installed.session.get(installed.url("/openapi.json")) as got:
            operations = operations_of(msgspec.json.decode(await got.read()))
        outcomes = await asyncio.gather(*(fuzz(installed, who, bounds, limit_s) for who in IDENTITIES))
    verdicts = [verdict_of(one, operations) for one in outcomes]
    print("\n".join(text for _, text in verdicts), flush=True)
    return all(holds for holds, _ in verdicts)


def main() -> int:
    """Fuzz and print the result."""
    parser = argparse.ArgumentParser(prog="fuzz", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--examples", type=int, default=10, help="requests made up for each operation in a pass")
    parser.add_argument("--seconds", type=int, help="make passes until then; default: one pass")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    bounds = ["--seed", str(args.seed), "--max-examples", str(args.examples)]
    bounds += ["--max-time", str(args.seconds)] if args.seconds else ONE_PASS
    return int(not asyncio.run(run(bounds, args.seconds + OVER_S if args.seconds else LIMIT_S)))


if __name__ == "__main__":
    sys.exit(main())
