"""The notebooks are whole, readable, and what their texts give when they are executed."""

import ast
import importlib.util
import re
import subprocess
import sys

import nbformat
import pytest
from helpers.commands import OFFLINE, ROOT

FOLDER = ROOT / "notebooks"
NAMES = [
    "01_quickstart",
    "02_why_the_naive_gan_fails",
    "03_losses_and_penalties",
    "04_evaluation",
    "05_tolerance",
    "06_your_own_images",
    "07_scale",
]
spec = importlib.util.spec_from_file_location("execute", FOLDER / "execute.py")
execute = importlib.util.module_from_spec(spec)
spec.loader.exec_module(execute)


@pytest.fixture(params=NAMES)
def source(request):
    """The cells of a notebook's text."""
    return execute.read(FOLDER / f"{request.param}.py").cells


@pytest.fixture(params=NAMES)
def made(request):
    """(text, notebook made from it with its outputs)."""
    path = FOLDER / f"{request.param}.ipynb"
    return FOLDER / f"{request.param}.py", nbformat.read(path, as_version=4)


def code(cells):
    return [cell for cell in cells if cell.cell_type == "code"]


def test_all_seven_are_there():
    assert execute.names() == NAMES


def test_it_opens_with_what_it_needs_takes_and_teaches(source):
    title, install, parameters = source[:3]
    assert title.cell_type == "markdown"
    assert title.source.startswith("# ")
    assert re.search(r"\bneeds?\b", title.source, re.IGNORECASE)
    assert re.search(r"about (a|one|\d+) minutes?\b", title.source)
    assert re.search(r"\bknow\b", title.source)
    assert "gan-reference" in install.source
    assert "parameters" in parameters.metadata["tags"]
    assert parameters.metadata["quick"]


def test_its_quick_values_are_those_of_parameters_that_it_has(source):
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


def test_text_and_code_take_turns(source):
    """Nobody meets more than two cells of code without a word about them."""
    kinds = "".join(cell.cell_type[0] for cell in source[3:])
    assert "ccc" not in kinds


def test_library_code_is_imported_not_pasted(source):
    library = {body for path in (ROOT / "gan").rglob("*.py") for body in bodies(path.read_text(encoding="utf-8"))}
    for cell in code(source):
        assert not bodies(cell.source) & library, cell.source


def bodies(text):
    """The functions of a text that have three statements or more, docstrings left out."""
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
    statements = [[s for s in f.body if not isinstance(s, ast.Expr) or s is not f.body[0]] for f in functions]
    return {"\n".join(map(ast.dump, found)) for found in statements if len(found) >= 3}


def test_the_second_shows_each_fault_that_has_a_test():
    text = (FOLDER / f"{NAMES[1]}.py").read_text(encoding="utf-8")
    shown = sorted(map(int, re.findall(r"^# ### Fault (\d+):", text, re.MULTILINE)))
    tests = (ROOT / "tests" / "project" / "test_beginner_faults.py").read_text(encoding="utf-8")
    assert shown == sorted(map(int, re.findall(r"^def test_(\d+)_", tests, re.MULTILINE))) == [*range(1, 23)]
    assert text.count("**Fix:**") >= 15


def test_it_was_made_from_the_text_beside_it(made):
    text, notebook = made
    assert notebook.metadata["source_sha256"] == execute.source_sha256(text), "make notebooks"
    cells = [[(cell.cell_type, cell.source) for cell in one.cells] for one in (execute.read(text), notebook)]
    assert cells[0] == cells[1]


def test_its_outputs_are_whole_and_name_no_machine(made):
    _, notebook = made
    nbformat.validate(notebook)
    assert [cell.execution_count for cell in code(notebook.cells)] == [*range(1, len(code(notebook.cells)) + 1)]
    assert not execute.find_output_errors(notebook)
    kinds = {kind for cell in code(notebook.cells) for output in cell.outputs for kind in output.get("data", {})}
    assert "image/png" in kinds


def test_it_is_small_enough_to_be_read_in_a_browser(made):
    assert made[0].with_suffix(".ipynb").stat().st_size < 3_000_000


def test_the_code_of_the_first_runs_with_fewer_steps(fork_server, tmp_path):
    """As a script, without a kernel."""
    notebook = execute.read(FOLDER / f"{NAMES[0]}.py")
    execute.make_quick(notebook)
    script = tmp_path / "code.py"
    script.write_text("\n\n\n".join(cell.source for cell in code(notebook.cells)), encoding="utf-8")
    environment = {**OFFLINE, "MPLBACKEND": "Agg", "TFDS_DATA_DIR": str(tmp_path / "data")}
    status, said = fork_server.run(said=tmp_path / "said", script=str(script), environment=environment)
    assert status == 0, said


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
def test_it_runs_with_fewer_steps(name, tmp_path, monkeypatch):
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
def test_outputs_that_name_a_machine_are_refused(text):
    assert execute.find_output_errors(output(text))


@pytest.mark.parametrize(
    "text", ["runs/1/generator.keras", "https://arxiv.org/abs/1406.2661", "12,000 images/s", "1/2"]
)
def test_other_outputs_are_not(text):
    assert not execute.find_output_errors(output(text))


def test_a_quick_value_of_no_parameter_is_refused():
    cell = nbformat.v4.new_code_cell("STEPS = 10", metadata={"quick": {"STEP": 1}})
    with pytest.raises(ValueError, match="STEP = "):
        execute.make_quick(nbformat.v4.new_notebook(cells=[cell]))


def test_new_words_keep_the_outputs_and_new_code_is_refused(tmp_path):
    text = tmp_path / "01_short.py"
    text.write_text("# %% [markdown]\n# Old words\n\n# %%\nprint(1)\n", encoding="utf-8")
    made = execute.read(text)
    made.cells[1].outputs = [nbformat.v4.new_output("stream", text="1\n")]
    made.metadata["language_info"] = {"name": "python"}
    nbformat.write(made, tmp_path / "01_short.ipynb")
    text.write_text("# %% [markdown]\n# New words\n\n# %%\nprint(1)  # one\n", encoding="utf-8")
    assert execute.update_words(text, tmp_path) == []
    renewed = nbformat.read(tmp_path / "01_short.ipynb", as_version=4)
    assert renewed.cells[0].source == "New words"
    assert renewed.cells[1].source == "print(1)  # one"
    assert renewed.cells[1].outputs[0].text == "1\n"
    assert renewed.metadata["source_sha256"] == execute.source_sha256(text)
    for code in ("print(2)", "print(1);", "%time print(1)"):
        text.write_text(f"# %% [markdown]\n# New words\n\n# %%\n{code}\n", encoding="utf-8")
        assert execute.update_words(text, tmp_path) == ["code cells differ from the executed notebook"]
