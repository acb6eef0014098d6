"""The layers as Mermaid, drawn from the imports; `python tests/layering_picture.py` renews CONTRIBUTING.md."""

import re
from pathlib import Path

from test_layering import ROW, ROWS, SOURCES, imports, module_of

CONTRIBUTING = Path(__file__).parents[1] / "CONTRIBUTING.md"
PARTS = 3
"""This row, and all below it, are drawn as one box each: a line to every part would hide the others."""

Edges = dict[str, set[str]]


def node(module: str) -> str:
    """The box that a module is drawn as."""
    return module if ROW[module] > PARTS else "parts" if ROW[module] == PARTS else "ground"


LEVEL = {node(module): max(ROW[module], PARTS - 1) for module in ROW}
"""Box -> its place, from below."""


def known() -> Edges:
    """Box -> the boxes that its modules import."""
    found: Edges = {box: set() for box in LEVEL}
    for path in SOURCES:
        box = node(module_of(path))
        names = {name.split(".")[1] for name in imports(path) if name.startswith("gan.")}
        found[box] |= {node(name) for name in names} - {box}
    return found


def reduced(edges: Edges) -> Edges:
    """The edges without those that a longer way says already."""
    below: Edges = {}
    for box in sorted(edges, key=LEVEL.__getitem__):
        below[box] = edges[box].union(*(below[other] for other in edges[box]))
    return {box: {to for to in boxes if not any(to in below[other] for other in boxes)} for box, boxes in edges.items()}


def picture() -> str:
    """The text of the picture: a line from a box to each that it imports, unless there is a longer way."""
    lines = ["flowchart TD"]
    for row in reversed(range(PARTS + 1, len(ROWS))):
        lines += [f'    subgraph row{row} [" "]', *(f"        {module}" for module in sorted(ROWS[row])), "    end"]
    for box, rows in (("parts", ROWS[PARTS : PARTS + 1]), ("ground", ROWS[:PARTS])):
        lines.append(f'    {box}["{", ".join(sorted(set().union(*rows)))}"]')
    edges = reduced(known())
    for box in sorted(edges, key=lambda box: (-LEVEL[box], box)):
        if edges[box]:
            lines.append(f"    {box} --> {' & '.join(sorted(edges[box]))}")
    return "\n".join(lines) + "\n"


def drawn(text: str) -> str:
    """`text` with today's picture in the place of its own."""
    return re.sub(r"(```mermaid\n).*?(```)", lambda fences: f"{fences[1]}{picture()}{fences[2]}", text, flags=re.DOTALL)


if __name__ == "__main__":
    CONTRIBUTING.write_text(drawn(CONTRIBUTING.read_text(encoding="utf-8")), encoding="utf-8")
