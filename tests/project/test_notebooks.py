"""Tests that the notebooks are complete, readable and match their sources."""

import ast
import base64
import importlib.util
import io
import re
import subprocess
import sys

import nbformat
import numpy as np
import pytest
from helpers.commands import OFFLINE, ROOT
from PIL import Image

FOLDER = ROOT / "notebooks"
NAMES = [
    "01_quickstart",
    "02_why_the_naive_gan_fails",
    "03_losses_and_penalties",
    "04_evaluation",
    "05_tolerance",
    "06_your_own_images",
    "07_scale",
    "08_colour",
    "09_feedback_and_deployment",
    "10_selection",
    "12_text",
]
spec = importlib.util.spec_from_file_location("execute", FOLDER / "execute.py")
execute = importlib.util.module_from_spec(spec)
spec.loader.exec_module(execute)


@pytest.fixture(params=NAMES)
def source(request):
    """Cells of the source of a notebook."""
    return execute.read(FOLDER / f"{request.param}.py").cells


@pytest.fixture(params=NAMES)
def source_and_notebook(request):
    """(path of the source, notebook with its outputs)."""
    path = FOLDER / f"{request.param}.ipynb"
    return FOLDER / f"{request.param}.py", nbformat.read(path, as_version=4)


def code(cells):
    return [cell for cell in cells if cell.cell_type == "code"]


def test_all_notebooks_exist():
    assert execute.names() == NAMES


def test_introduction_states_requirements_duration_and_topics(source):
    title, install, parameters = source[:3]
    assert title.cell_type == "markdown"
    assert title.source.startswith("# ")
    assert re.search(r"\bneeds?\b", title.source, re.IGNORECASE)
    assert re.search(r"about (a|one|\d+) minutes?\b", title.source)
    assert re.search(r"\bknow\b", title.source)
    assert "gan-reference" in install.source
    assert "parameters" in parameters.metadata["tags"]
    assert parameters.metadata["quick"]


def test_quick_values_belong_to_existing_parameters(source):
    notebook = nbformat.v4.new_notebook(cells=source)
    execute.make_quick(notebook)
    values = {}
    exec(notebook.cells[2].source, values)
    assert source[2].metadata["quick"].items() <= values.items()


def test_cells_are_short(source):
    for cell in code(source):
        lines = cell.source.splitlines()
        assert len(lines) <= 25, cell.source
        assert max(map(len, lines)) <= 110, cell.source


def test_text_and_code_alternate(source):
    """At most two cells of code follow each other without text."""
    kinds = "".join(cell.cell_type[0] for cell in source[3:])
    assert "ccc" not in kinds


def test_library_code_is_imported_not_copied(source):
    library = {
        body for path in (ROOT / "gan").rglob("*.py") for body in function_bodies(path.read_text(encoding="utf-8"))
    }
    for cell in code(source):
        assert not function_bodies(cell.source) & library, cell.source


def function_bodies(text):
    """Returns the bodies of the functions with at least three statements, without docstrings."""
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
    statements = [[s for s in f.body if not isinstance(s, ast.Expr) or s is not f.body[0]] for f in functions]
    return {"\n".join(map(ast.dump, found)) for found in statements if len(found) >= 3}


def test_the_second_notebook_shows_every_tested_fault():
    text = (FOLDER / f"{NAMES[1]}.py").read_text(encoding="utf-8")
    shown = sorted(map(int, re.findall(r"^# ### Fault (\d+):", text, re.MULTILINE)))
    tests = (ROOT / "tests" / "project" / "test_beginner_faults.py").read_text(encoding="utf-8")
    assert shown == sorted(map(int, re.findall(r"^def test_(\d+)_", tests, re.MULTILINE))) == [*range(1, 23)]
    assert text.count("**Fix:**") >= 15


def test_notebook_matches_its_source(source_and_notebook):
    text, notebook = source_and_notebook
    assert notebook.metadata["source_sha256"] == execute.source_sha256(text), "make notebooks"
    cells = [[(cell.cell_type, cell.source) for cell in one.cells] for one in (execute.read(text), notebook)]
    assert cells[0] == cells[1]


def test_outputs_are_complete_and_name_no_machine(source_and_notebook):
    _, notebook = source_and_notebook
    nbformat.validate(notebook)
    assert [cell.execution_count for cell in code(notebook.cells)] == [*range(1, len(code(notebook.cells)) + 1)]
    assert not execute.find_output_errors(notebook)
    kinds = {kind for cell in code(notebook.cells) for output in cell.outputs for kind in output.get("data", {})}
    assert "image/png" in kinds


def test_notebook_is_small_enough_for_a_browser(source_and_notebook):
    assert source_and_notebook[0].with_suffix(".ipynb").stat().st_size < 3_000_000


@pytest.mark.slow  # the test of a notebook in a kernel, below, is the stand-in
def test_code_of_the_first_notebook_runs_with_quick_values(fork_server, tmp_path):
    """Runs the code as a script, without a kernel."""
    notebook = execute.read(FOLDER / f"{NAMES[0]}.py")
    execute.make_quick(notebook)
    script = tmp_path / "code.py"
    script.write_text("\n\n\n".join(cell.source for cell in code(notebook.cells)), encoding="utf-8")
    environment = {**OFFLINE, "MPLBACKEND": "Agg", "TFDS_DATA_DIR": str(tmp_path / "data")}
    status, printed = fork_server.run(output=tmp_path / "output", script=str(script), environment=environment)
    assert status == 0, printed


def test_a_notebook_is_executed_in_a_kernel_with_its_quick_values(tmp_path):
    text = tmp_path / "01_short.py"
    parameters = '# %% tags=["parameters"] quick={"STEPS": 2}\nSTEPS = 250\n'
    text.write_text(f"# %% [markdown]\n# Words\n\n{parameters}\n# %%\nprint(STEPS + 1)\nSTEPS\n", encoding="utf-8")
    make = "import sys, pathlib, execute; sys.exit(execute.make(*map(pathlib.Path, sys.argv[1:]), quick=True) != [])"
    command = [sys.executable, "-c", make, text, tmp_path / "made"]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    cell = nbformat.read(tmp_path / "made" / "01_short.ipynb", as_version=4).cells[-1]
    assert [output.get("text") or output["data"]["text/plain"] for output in cell.outputs] == ["3\n", "2"]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_notebook_runs_with_quick_values(name, tmp_path, monkeypatch):
    for variable, value in OFFLINE.items():
        monkeypatch.setenv(variable, value)
    command = [sys.executable, FOLDER / "execute.py", "--quick", "--output", tmp_path, name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1_800)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not execute.find_output_errors(nbformat.read(tmp_path / f"{name}.ipynb", as_version=4))


def output(text):
    cell = nbformat.v4.new_code_cell("", outputs=[nbformat.v4.new_output("stream", text=text)])
    return nbformat.v4.new_notebook(cells=[cell])


@pytest.mark.parametrize(
    "text",
    [
        "saved in /home/ann/runs/1",
        "'/tmp/x.png'",
        "C:\\Users\\ann",
        "/x/ipykernel_12/3.py:1: UserWarning",
        "2026-01-01 10:00:00.0: I tensorflow/core/platform",
        "I0000 00:00:1 cuda_dnn",
        "[<matplotlib.lines.Line2D at 0x7fad5ff78350>]",
    ],
)
def test_rejects_outputs_that_name_a_machine(text):
    assert execute.find_output_errors(output(text))


@pytest.mark.parametrize(
    "text", ["runs/1/generator.keras", "https://arxiv.org/abs/1406.2661", "12,000 images/s", "1/2"]
)
def test_accepts_other_outputs(text):
    assert not execute.find_output_errors(output(text))


def test_rejects_a_quick_value_without_a_parameter():
    cell = nbformat.v4.new_code_cell("STEPS = 10", metadata={"quick": {"STEP": 1}})
    with pytest.raises(ValueError, match="STEP = "):
        execute.make_quick(nbformat.v4.new_notebook(cells=[cell]))


def test_new_text_keeps_the_outputs_and_new_code_is_rejected(tmp_path):
    text = tmp_path / "01_short.py"
    text.write_text("# %% [markdown]\n# Old words\n\n# %%\nprint(1)\n", encoding="utf-8")
    notebook = execute.read(text)
    notebook.cells[1].outputs = [nbformat.v4.new_output("stream", text="1\n")]
    notebook.metadata["language_info"] = {"name": "python"}
    nbformat.write(notebook, tmp_path / "01_short.ipynb")
    text.write_text("# %% [markdown]\n# New words\n\n# %%\nprint(1)  # one\n", encoding="utf-8")
    assert execute.update_words(text, tmp_path) == []
    updated = nbformat.read(tmp_path / "01_short.ipynb", as_version=4)
    assert updated.cells[0].source == "New words"
    assert updated.cells[1].source == "print(1)  # one"
    assert updated.cells[1].outputs[0].text == "1\n"
    assert updated.metadata["source_sha256"] == execute.source_sha256(text)
    for code in ("print(2)", "print(1);", "%time print(1)"):
        text.write_text(f"# %% [markdown]\n# New words\n\n# %%\n{code}\n", encoding="utf-8")
        assert execute.update_words(text, tmp_path) == ["code cells differ from the executed notebook"]


def png_of(pixels):
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, "png")
    return written.getvalue()


def pixels_of(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def test_compact_png_keeps_up_to_256_colors_exactly():
    pixels = np.random.default_rng(0).integers(0, 6, (140, 150, 3), np.uint8) * 51  # 216 colors
    png = png_of(pixels)
    compact = execute.compact_png(png)
    assert len(compact) < len(png)
    np.testing.assert_array_equal(pixels_of(compact), pixels)


def test_compact_png_is_close_with_more_colors():
    noise = np.random.default_rng(0).integers(0, 8, (128, 128, 3))
    ramp = np.linspace(0, 247, 128)[:, None, None]
    pixels = (ramp + noise).astype(np.uint8)
    difference = pixels_of(execute.compact_png(png_of(pixels))).astype(float) - pixels
    assert 0.0 < np.sqrt(np.mean(difference**2)) < 8.0


def test_compact_png_puts_transparent_images_on_white():
    pixels = np.full((64, 64, 4), (255, 0, 0, 0), np.uint8)
    assert (pixels_of(execute.compact_png(png_of(pixels))) == 255).all()


def test_large_images_of_notebooks_have_a_palette(source_and_notebook):
    for cell in source_and_notebook[1].cells:
        for output in cell.get("outputs", []):
            png = base64.b64decode(output.get("data", {}).get("image/png", ""))
            assert len(png) < 20_000 or Image.open(io.BytesIO(png)).mode == "P"
