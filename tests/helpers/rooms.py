"""Which file of `gan` imports which, read from the sources; `python tests/helpers/rooms.py` renews CONTRIBUTING.md.

Imports inside functions and under TYPE_CHECKING count as well.
"""

import ast
import re
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "gan"
CONTRIBUTING = PACKAGE.parent / "CONTRIBUTING.md"

ROWS = [
    {"errors"},
    {"config", "tolerance", "utils"},
    {"distributed", "saving"},
    {"data"},
    {"models"},
    {"sampling"},
    {"evaluation"},
    {"training"},
    {"cli"},
]
"""Rooms from the ground up. A room imports only from rows below its own. `gan/__init__.py` may name all of them."""
ROW = {room: row for row, rooms in enumerate(ROWS) for room in rooms}
ABOVE_ALL = {"__init__", "__main__"}

Edges = dict[str, set[str]]


@cache
def sources() -> dict[str, Path]:
    """Every file of the package by its name, such as `data/sources/npz`; a package's `__init__` is one of them."""
    return {str(p.relative_to(PACKAGE).with_suffix("")): p for p in sorted(PACKAGE.rglob("*.py"))}


def room_of(name: str) -> str:
    """`data/sources/npz` -> `data`."""
    return name.partition("/")[0]


def imported_names(path: Path) -> list[str]:
    """The dotted names that a file imports: `gan.data.images`, `gan.errors.InputError`, `tensorflow`."""
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def file_of(dotted: str) -> str | None:
    """The file that a dotted name lies in: the longest part of it that is one. None outside the package."""
    if dotted.partition(".")[0] != "gan":
        return None
    parts = dotted.split(".")[1:]
    for length in range(len(parts), -1, -1):
        name = "/".join(parts[:length])
        for candidate in (name, f"{name}/__init__".lstrip("/")):
            if candidate in sources():
                return candidate
    raise AssertionError(f"no file holds {dotted}")


@cache
def imports() -> Edges:
    """File -> the files of the package that it imports."""
    return {name: {file for n in imported_names(path) if (file := file_of(n))} for name, path in sources().items()}


def circles(edges: Edges) -> list[list[str]]:
    """A way around for each circle that a walk along the edges finds."""
    found, done = [], set()

    def walk(name: str, way: list[str]) -> None:
        if name in way:
            found.append([*way[way.index(name) :], name])
        elif name not in done:
            for other in sorted(edges[name]):
                walk(other, [*way, name])
            done.add(name)

    for name in edges:
        walk(name, [])
    return found


def room_imports() -> Edges:
    """Room -> the other rooms that its files import."""
    found: Edges = {room: set() for room in ROW}
    for name, files in imports().items():
        if room_of(name) in ROW:
            found[room_of(name)] |= {room_of(file) for file in files} - {room_of(name)}
    return found


def reduced(edges: Edges) -> Edges:
    """The edges without those that a longer way implies."""
    below: Edges = {}
    for room in sorted(edges, key=ROW.__getitem__):
        below[room] = edges[room].union(*(below[other] for other in edges[room]))
    return {r: {to for to in rooms if not any(to in below[o] for o in rooms)} for r, rooms in edges.items()}


def picture() -> str:
    """The rooms as Mermaid, the highest row first."""
    lines = ["flowchart TD"]
    for row in reversed(range(len(ROWS))):
        lines += [f'    subgraph row{row} [" "]', *(f"        {room}" for room in sorted(ROWS[row])), "    end"]
    edges = reduced(room_imports())
    for room in sorted(edges, key=lambda room: (-ROW[room], room)):
        if edges[room]:
            lines.append(f"    {room} --> {' & '.join(sorted(edges[room]))}")
    return "\n".join(lines) + "\n"


def with_picture(text: str) -> str:
    """`text` with today's picture in place of the one that it holds."""
    return re.sub(r"(```mermaid\n).*?(```)", lambda fences: f"{fences[1]}{picture()}{fences[2]}", text, flags=re.DOTALL)


if __name__ == "__main__":
    CONTRIBUTING.write_text(with_picture(CONTRIBUTING.read_text(encoding="utf-8")), encoding="utf-8")
    arrows = sum(map(len, imports().values()))
    print(f"{len(sources())} files, {arrows} imports between them, {len(circles(imports()))} circles")
