"""python -m bench.fuzz [--seconds S] [--seed N]: the whole API against its own document, as nobody and as admin.

Schemathesis makes requests from `/api/v1/openapi.json`, right ones and wrong ones; no reply may be one of ours that the
document does not have, and none a fault. What is allowed besides stands in `bench/schemathesis.toml`, with its reason.
The product runs as `up` runs it, and may connect nowhere: addresses are made up.
Exits with 1 when something does not hold.
"""

import argparse
import asyncio
import sys
from pathlib import Path

from bench.ground import Ground, ground
from bench.side import ROOT

TOKEN = "a-token-for-the-length-of-this-run"
ENVIRON = {"API_ADMIN_TOKEN": TOKEN, "BRUTEFORCE_MAX_ATTEMPTS": "1000000"}
NOWHERE = {"private": False, "allow": [], "deny": ["0.0.0.0/0", "::/0"]}
USES = ("checks", "webhooks", "senders", "oauth")
LIMIT_S = 3_600.0  # nothing takes longer, or it hangs
OVER_S = 60.0  # beyond its time the last examples are finished


async def fuzz(of: Ground, headers: list[str], seconds: int, seed: int) -> bool:
    """Run Schemathesis as whoever the headers say. Whether everything holds."""
    words = [
        "--config-file", str(ROOT / "bench" / "schemathesis.toml"), "run", of.url("/openapi.json"),
        "--max-time", str(seconds), "--seed", str(seed), "--no-color", "--continue-on-failure",
        *(word for header in headers for word in ("-H", header)),
    ]  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("schemathesis")), *words, cwd=of.folder
    )
    try:
        return await asyncio.wait_for(process.wait(), min(LIMIT_S, seconds + OVER_S)) == 0
    finally:
        if process.returncode is None:
            process.kill()


async def run(seconds: int, seed: int) -> bool:
    """One installation, asked by nobody and then by an admin."""
    async with ground(ENVIRON) as installed:
        await installed.start()
        await installed.register()
        for use in USES:
            await installed.call("PUT", f"/settings/key/egress.{use}", {"value": NOWHERE})
        fine = [await fuzz(installed, who, seconds, seed) for who in ([], [f"Authorization: Bearer {TOKEN}"])]
    return all(fine)


def main() -> int:
    """Fuzz, and say how it went."""
    parser = argparse.ArgumentParser(prog="fuzz", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=int, default=600, help="for each of the two")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    return int(not asyncio.run(run(asked.seconds, asked.seed)))


if __name__ == "__main__":
    sys.exit(main())
