"""Reads the imports between the files of `gan`; `python tests/helpers/rooms.py` updates CONTRIBUTING.md.

Imports inside functions and under TYPE_CHECKING count.
"""

import ast
import re
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "gan"
CONTRIBUTING = PACKAGE.parent / "CONTRIBUTING.md"

ROWS = [
    {"errors"},
    {"tolerance", "utils"},
    {"config"},
    {"distributed", "saving"},
    {"data"},
    {"models"},
    {"sampling"},
    {"evaluation"},
    {"training"},
    {"deployment", "selection", "text"},
    {"cli"},
]
"""Rooms, from the lowest row to the highest. A room imports only from lower rows; `gan/__init__.py` from all rows."""
ROW = {room: row for row, rooms in enumerate(ROWS) for room in rooms}
ABOVE_ALL = {"__init__", "__main__"}

Edges = dict[str, set[str]]


@cache
def sources() -> dict[str, Path]:
    """Returns the path of every file of the package by name, such as `data/sources/npz` and `data/__init__`."""
    return {str(p.relative_to(PACKAGE).with_suffix("")): p for p in sorted(PACKAGE.rglob("*.py"))}


def room_of(name: str) -> str:
    """Returns the room of a file: `data/sources/npz` -> `data`."""
    return name.partition("/")[0]


def imported_names(path: Path) -> list[str]:
    """Returns the dotted names that a file imports: `gan.data.images`, `gan.errors.InputError`, `tensorflow`."""
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def file_of(dotted: str) -> str | None:
    """Returns the file that defines a dotted name: its longest prefix that is a file. None: not in the package."""
    if dotted.partition(".")[0] != "gan":
        return None
    parts = dotted.split(".")[1:]
    for length in range(len(parts), -1, -1):
        name = "/".join(parts[:length])
        for candidate in (name, f"{name}/__init__".lstrip("/")):
            if candidate in sources():
                return candidate
    raise AssertionError(f"no file defines {dotted}")


@cache
def imports() -> Edges:
    """Returns {file: the files of the package that it imports}."""
    return {name: {file for n in imported_names(path) if (file := file_of(n))} for name, path in sources().items()}


def find_cycles(edges: Edges) -> list[list[str]]:
    """Returns the cycles that a depth-first search finds, each as a path that ends where it starts."""
    found, done = [], set()

    def walk(name: str, path: list[str]) -> None:
        if name in path:
            found.append([*path[path.index(name) :], name])
        elif name not in done:
            for other in sorted(edges[name]):
                walk(other, [*path, name])
            done.add(name)

    for name in edges:
        walk(name, [])
    return found


def room_imports() -> Edges:
    """Returns {room: the other rooms that its files import}."""
    found: Edges = {room: set() for room in ROW}
    for name, files in imports().items():
        if room_of(name) in ROW:
            found[room_of(name)] |= {room_of(file) for file in files} - {room_of(name)}
    return found


def transitive_reduction(edges: Edges) -> Edges:
    """Returns the edges without those that a longer path implies."""
    below: Edges = {}
    for room in sorted(edges, key=ROW.__getitem__):
        below[room] = edges[room].union(*(below[other] for other in edges[room]))
    return {r: {to for to in rooms if not any(to in below[o] for o in rooms)} for r, rooms in edges.items()}


def diagram() -> str:
    """Returns the rooms as a Mermaid diagram, with the highest row first."""
    lines = ["flowchart TD"]
    for row in reversed(range(len(ROWS))):
        lines += [f'    subgraph row{row} [" "]', *(f"        {room}" for room in sorted(ROWS[row])), "    end"]
    edges = transitive_reduction(room_imports())
    for room in sorted(edges, key=lambda room: (-ROW[room], room)):
        if edges[room]:
            lines.append(f"    {room} --> {' & '.join(sorted(edges[room]))}")
    return "\n".join(lines) + "\n"


def with_diagram(text: str) -> str:
    """Returns `text` with its diagram replaced by the current one."""
    return re.sub(r"(```mermaid\n).*?(```)", lambda fences: f"{fences[1]}{diagram()}{fences[2]}", text, flags=re.DOTALL)


if __name__ == "__main__":
    CONTRIBUTING.write_text(with_diagram(CONTRIBUTING.read_text(encoding="utf-8")), encoding="utf-8")
    arrows = sum(map(len, imports().values()))
    print(f"{len(sources())} files, {arrows} imports between them, {len(find_cycles(imports()))} cycles")
