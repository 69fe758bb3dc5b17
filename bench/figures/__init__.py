"""The figures, one file each: `async def measure(run) -> list[Figure]`, and what they are called."""
