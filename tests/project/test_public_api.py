"""Tests that documents and notebooks import only from `gan`, and that `gan` has every name they use."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.commands import ROOT

import gan
from gan.errors import InputError

MODULES = {
    "augment",
    "callbacks",
    "classifier",
    "config",
    "deployment",
    "evaluation",
    "extra_fakes",
    "images",
    "losses",
    "metrics",
    "networks",
    "optimizers",
    "penalties",
    "perturbation",
    "sampling",
    "selection",
    "text",
    "tolerance",
}
WITHOUT_TENSORFLOW = ["config", "images", "tolerance"]
TEXTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PROGRAMS = [*sorted((ROOT / "docs").glob("*.py")), *sorted((ROOT / "notebooks").glob("*.py"))]
USERS = {str(path.relative_to(ROOT)): path for path in (*TEXTS, *PROGRAMS)}

RESOLVE = f"""
import json, sys
import gan

def loaded():
    return sorted(name for name in ("tensorflow", "keras", *sys.modules) if name in sys.modules and
                  name.split(".")[0] in ("tensorflow", "keras", "gan") and name.count(".") < 3)

found = {{"after import gan": loaded()}}
for name in {WITHOUT_TENSORFLOW}:
    exec(f"from gan import {{name}}")
found["without TensorFlow"] = loaded()
found["names"] = {{}}
for name in gan.__all__:
    exec(f"from gan import {{name}} as value")
    module = isinstance(value, type(sys))
    found["names"][name] = getattr(value, "__all__", [n for n in dir(value) if n[0] != "_"]) if module else None
print(json.dumps(found))
"""


def parsed(path: Path) -> list[ast.Module]:
    """Returns the Python code of a file: a program with the code in its comments and strings, or Markdown blocks."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return [ast.parse(block) for block in blocks(text)]
    comments = "\n".join(re.findall(r"^# ?(.*)$", text, re.MULTILINE))
    program = ast.parse("\n".join([text, *blocks(comments)]))
    return [program, *programs_in_strings(program)]


def blocks(text: str) -> list[str]:
    """Returns the fenced Python blocks in a text."""
    return re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def programs_in_strings(tree: ast.Module) -> list[ast.Module]:
    """Returns the multi-line strings that import `gan`, parsed."""
    strings = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return [ast.parse(text) for text in strings if re.search(r"^(from|import) gan\b.*\n", text, re.MULTILINE)]


def imported(tree: ast.Module) -> list[str]:
    """Returns the modules that a program imports from."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append(node.module or ".")
    return found


def dotted(node: ast.AST) -> list[str]:
    """Returns `a.b.c` as a list, and [""] for an expression that is not a dotted name."""
    if isinstance(node, ast.Attribute):
        whole = dotted(node.value)
        return [*whole, node.attr] if whole[0] else whole
    return [node.id if isinstance(node, ast.Name) else ""]


def used(tree: ast.Module) -> set[str]:
    """Returns the names that a program uses from `gan` (`train`) and from its modules (`losses.LOSSES`)."""
    meaning_of: dict[str, str] = {}  # name in the program -> dotted name
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            meaning_of |= {alias.asname or "gan": "gan" for alias in node.names if alias.name == "gan"}
        elif isinstance(node, ast.ImportFrom) and node.module == "gan":
            meaning_of |= {alias.asname or alias.name: f"gan.{alias.name}" for alias in node.names}
    found = set(meaning_of.values())
    for node in ast.walk(tree):
        first, *rest = dotted(node)
        if first in meaning_of:
            found.add(".".join([meaning_of[first], *rest]))
    names = [name.split(".")[1:] for name in found - {"gan"}]
    return {".".join(name[: 2 if name[0] in MODULES else 1]) for name in names if not name[0].startswith("__")}


@pytest.fixture(scope="module")
def resolved():
    """Loaded modules and public names in a new process: {public name: names in that module, None for no module}."""
    done = subprocess.run([sys.executable, "-c", RESOLVE], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def needed():
    """Names that README, notebooks, CONTRIBUTING and docs use."""
    return {name for path in USERS.values() for tree in parsed(path) for name in used(tree)}


def test_importing_gan_loads_no_submodule(resolved):
    assert resolved["after import gan"] == ["gan"]


def test_config_images_and_tolerance_do_not_load_tensorflow(resolved):
    assert not {"tensorflow", "keras"} & set(resolved["without TensorFlow"])
    assert {getattr(gan, name).__name__ for name in WITHOUT_TENSORFLOW} <= set(resolved["without TensorFlow"])


def test_every_public_name_resolves(resolved):
    assert list(resolved["names"]) == gan.__all__
    assert {name for name, attributes in resolved["names"].items() if attributes is not None} == MODULES
    assert sorted(gan.__all__) == dir(gan)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        gan.nonsense  # noqa: B018


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_public_module_has_every_name_in_use(module, resolved, needed):
    of_it = {name.partition(".")[2] for name in needed if name.startswith(f"{module}.")}
    assert of_it <= set(resolved["names"][module])


def test_every_name_in_use_is_public(needed):
    assert {name for name in needed if "." not in name} <= set(gan.__all__)
    assert {"GAN", "train", "metrics.copied_share", "losses.LOSSES", "start_devices"} <= needed


@pytest.mark.parametrize("user", USERS)
def test_documents_and_notebooks_import_only_from_gan(user):
    submodules = [name for tree in parsed(USERS[user]) for name in imported(tree) if name.startswith("gan.")]
    assert not submodules


@pytest.mark.parametrize("user", USERS)
def test_documents_and_notebooks_name_only_public_modules(user):
    text = USERS[user].read_text(encoding="utf-8")
    assert set(re.findall(r"`gan\.(?!__)(\w+)", text)) <= set(gan.__all__)


def test_modules_reject_another_backend(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    for name in ("GAN", "losses"):
        with pytest.raises(InputError, match="KERAS_BACKEND=jax"):
            gan.__getattr__(name)
    assert gan.__getattr__("config").PRESETS


PROGRAM = '''
import gan
import gan as g
from gan import losses as l, train
from gan.metrics import ssim
l.get("hinge").discriminator
print(gan.images.grid(gan.GAN(1, 2).generator), g.evaluate, gan.train.__name__)
# ```python
# from gan import callbacks
# ```
INNER = """
from gan import resume
import gan.data
gan = resume()
gan.fit()
"""
'''


def test_finds_all_uses_in_a_program(tmp_path):
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    whole, inner = parsed(path)
    assert used(whole) == {"GAN", "callbacks", "evaluate", "images", "images.grid", "losses", "losses.get", "train"}
    assert used(inner) == {"resume"}
    assert [name for tree in (whole, inner) for name in imported(tree) if "." in name] == ["gan.metrics", "gan.data"]


def test_finds_code_blocks_in_a_text(tmp_path):
    path = tmp_path / "text.md"
    path.write_text("```sh\nfrom gan.no import x\n```\n\n```python\nfrom gan.cli import main\n```\n")
    assert [imported(tree) for tree in parsed(path)] == [["gan.cli"]]
