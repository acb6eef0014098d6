"""Reads the Markdown tables that benchmarks write."""

import re


def rows_of(text: str) -> list[list[str]]:
    """Returns the cells of each row of all tables in a text, including headers."""
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in text.splitlines() if line.startswith("|")]
    stripped = [[cell.strip() for cell in row] for row in rows]
    return [row for row in stripped if not all(re.fullmatch(r":?-+:?", cell) for cell in row)]
