"""Imports between the files of the benchmarks, including imports inside functions."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import gan
from benchmarks.cli import BENCHMARKS

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "benchmarks").glob("*.py"))


def imports(path):
    """Returns the modules that a file imports, except for annotations. `from package import name` adds both names."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    guards = [node for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    only_types = {inner for guard in guards for inner in ast.walk(guard)}
    found = set()
    for node in set(ast.walk(tree)) - only_types:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_no_two_files_import_each_other_in_a_circle():
    names = {f"benchmarks.{file.stem}": imports(file) for file in FILES}
    arrows = {name: found & set(names) for name, found in names.items()}
    assert arrows["benchmarks.loops"] >= {"benchmarks.profiler", "benchmarks.runs"}
    TopologicalSorter(arrows).prepare()  # raises CycleError


def test_the_package_does_not_need_the_benchmarks():
    for file in Path(gan.__file__).parent.rglob("*.py"):
        assert not {name for name in imports(file) if name.split(".")[0] == "benchmarks"}, file


def test_reading_the_options_of_a_benchmark_imports_no_tensorflow():
    modules = ", ".join(module for module, _ in BENCHMARKS.values())
    slow = ("tensorflow", "keras", "scipy", "matplotlib")
    code = f"import sys, {modules}; print([module for module in {slow} if module in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
