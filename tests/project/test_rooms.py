"""Who may import whom, read from the sources: imports inside functions count too."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import gan

PACKAGE = Path(gan.__file__).parent
ROWS = [
    {"errors"},
    {"checks", "json_types", "threads"},
    {"images", "config", "tolerance", "archives", "arrays", "bar", "cards", "streams", "plot_style", "cluster"},
    {"losses", "penalties", "networks", "augment", "optimizers", "metrics", "data", "runtime", "handwriting"}
    | {"metadata"},
    {"sampling", "checkpoints", "replicas"},
    {"critic", "averaging", "local_evaluation", "devices"},
    {"model", "classifier", "state", "records", "reports"},
    {"callbacks", "building", "fitting", "projection", "perturbation", "quality"},
    {"endings", "watching", "sharing", "runs"},
    {"preparing"},
    {"following"},
    {"training", "evaluation", "classifier_training"},
    {"cli"},
]
ROW = {module: row for row, modules in enumerate(ROWS) for module in modules}
WITHOUT_TENSORFLOW = {
    "errors",
    "checks",
    "images",
    "config",
    "json_types",
    "metadata",
    "tolerance",
    "archives",
    "arrays",
    "bar",
    "cards",
    "cluster",
    "state",
    "records",
}
SOURCES = sorted(p for p in PACKAGE.rglob("*.py") if p.parent != PACKAGE or p.stem not in ("__init__", "__main__"))


def module_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
            assert "gan" not in found, f"{path}: import gan hides which module is meant"
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found += [f"{node.module}.{alias.name}" for alias in node.names] if node.module == "gan" else [node.module]
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_from_lower_rows(path):
    for name in imports(path):
        if name.startswith("gan."):
            other = name.split(".")[1]
            assert other == module_of(path) or ROW[other] < ROW[module_of(path)], f"{path} imports {name}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_are_small(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


def test_what_checks_options_knows_no_tensorflow():
    for path in SOURCES:
        if module_of(path) in WITHOUT_TENSORFLOW:
            assert not {name.split(".")[0] for name in imports(path)} & {"tensorflow", "keras", "tensorflow_datasets"}


def test_importing_gan_and_its_command_line_imports_no_tensorflow():
    code = (
        "import sys, gan.cli, gan.state, gan.records; print([m for m in ('tensorflow', 'keras') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
