"""A figure: its value, its unit and its goal. Pure."""

from msgspec import Struct

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


class Figure(Struct, frozen=True, kw_only=True):
    """One measured number beside its goal.

    value      None when it is not measured yet
    at_least   the goal is a floor, not a ceiling
    note       what the number was made of
    """

    name: str
    what: str
    value: float | None = None
    unit: str = ""
    goal: float | None = None
    at_least: bool = False
    note: str = ""

    @property
    def verdict(self) -> str:
        """ok, short, or why it could not be judged."""
        if self.value is None:
            return "not yet"
        if self.goal is None:
            return ""
        return "ok" if (self.value >= self.goal if self.at_least else self.value <= self.goal) else "short"


def percentile(ordered: list[float], share: float) -> float:
    """The smallest of the ordered values that at least `share` (0 to 1) of them do not exceed; nan of none."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")


def number(value: float | None) -> str:
    """Three digits that matter, and no exponent."""
    if value is None:
        return "—"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def table(figures: list[Figure]) -> str:
    """The figures as a Markdown table."""
    lines = ["| figure | what | value | goal | | made of |", "|---|---|---|---|---|---|"]
    for one in figures:
        goal = "" if one.goal is None else f"{'≥' if one.at_least else '≤'} {number(one.goal)} {one.unit}".strip()
        value = f"{number(one.value)} {one.unit if one.value is not None else ''}".strip()
        lines.append(f"| {one.name} | {one.what} | {value} | {goal} | {one.verdict} | {one.note} |")
    return "\n".join(lines)


def placed(page: str, figures: str) -> str:
    """The page with the figures between its two markers. Raises ValueError when it has none."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the page needs {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{figures}\n{END}{after}"
