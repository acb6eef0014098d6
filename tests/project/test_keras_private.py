"""Tests that every private member of Keras in use has a comment with the reason and a test of its presence."""

import ast
import importlib
import inspect
import pkgutil
import re
import textwrap
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import gan
from gan import GAN
from gan.distributed import evaluation

PACKAGE = Path(gan.__file__).parent
KERAS = Path(keras.__file__).parent
PRIVATE_MODULES = (
    "keras.src",
    "tensorflow.python",
    "tf.python",
    "tensorflow._api",
    "tf._api",
    "tensorflow.core",
    "tf.core",
)
TESTED: dict[str, str] = {}
"""Private member -> name of the test that fails if Keras removes it."""


def covers(*members):
    """Marks a test that fails if Keras removes one of these private members."""

    def mark(test):
        TESTED.update(dict.fromkeys(members, test.__name__))
        return test

    return mark


class RecordingModel(keras.Sequential):
    """A model that records how Keras calls it."""

    def __init__(self):
        super().__init__([keras.Input((2,)), keras.layers.Dense(1)])
        self.builds, self.options = [], []
        self.compile("sgd", "mse", run_eagerly=True)

    def _maybe_symbolic_build(self, **given):
        self.builds.append(list(given))

    def evaluate(self, *args, **options):
        self.options.append((args, set(options)))
        return super().evaluate(*args, **options)


@pytest.fixture(scope="module")
def recorded():
    """A model after one epoch of `fit` with validation data."""
    model, data = RecordingModel(), (np.zeros((2, 2)), np.zeros(2))
    model.fit(*data, validation_data=data, verbose=0)
    return model


@covers("_maybe_symbolic_build")
def test_fit_and_evaluate_build_through_maybe_symbolic_build(recorded):
    ours, inherited = (inspect.signature(model._maybe_symbolic_build).parameters for model in (GAN, keras.Model))
    assert list(ours) == list(inherited)
    assert recorded.builds == [["iterator"], ["iterator"]]


@covers("_use_cached_eval_dataset")
def test_fit_passes_only_known_options_to_evaluate(recorded):
    ((arguments, options),) = recorded.options
    assert arguments == ()
    assert "_use_cached_eval_dataset" in options
    assert options - evaluation._WITHOUT_EFFECT == {"x", "y", "steps", "return_dict"}


@covers("_get_variable_index", "_momentums", "_velocities")
def test_adam_stores_its_moments_by_variable_index():
    variables = [keras.Variable(np.zeros(3), dtype="float32") for _ in range(2)]
    optimizer = keras.optimizers.Adam(0.1, beta_1=0.75, beta_2=0.5)
    optimizer.build(variables)
    optimizer.apply([tf.constant([1.0, 2.0, 3.0]), tf.constant([4.0, 5.0, 6.0])], variables)
    index = optimizer._get_variable_index(variables[1])
    np.testing.assert_allclose(optimizer._momentums[index].value.numpy(), 0.25 * np.array([4.0, 5.0, 6.0]))
    np.testing.assert_allclose(optimizer._velocities[index].value.numpy(), 0.5 * np.array([4.0, 5.0, 6.0]) ** 2)
    assert isinstance(optimizer._velocities[index].value, tf.Variable)


@covers("_inbound_nodes")
def test_inbound_nodes_hold_the_tensors_of_each_call():
    inputs, dense = keras.Input((3,)), keras.layers.Dense(1)
    output = dense(inputs)
    (node,) = dense._inbound_nodes
    assert node.input_tensors[0] is inputs
    assert node.outputs[0] is output


@covers("_flatten_layers")
def test_flatten_layers_yields_the_layers_inside_wrappers():
    inner = keras.layers.Dense(1)
    model = keras.Sequential([keras.Input((3, 2)), keras.layers.TimeDistributed(inner)])
    assert inner in list(model._flatten_layers())
    assert model in list(model._flatten_layers())


@covers("_trainable_variables")
def test_an_optimizer_knows_the_variables_it_was_built_for():
    variables = [keras.Variable(np.zeros(3), dtype="float32")]
    inner = keras.optimizers.SGD()
    optimizer = keras.optimizers.LossScaleOptimizer(inner)
    assert optimizer._trainable_variables == []
    optimizer.build(variables)
    assert [id(one) for part in (optimizer, inner) for one in part._trainable_variables] == [id(variables[0])] * 2


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


def private_definitions(trees: list[ast.Module]) -> set[str]:
    """Returns the private names that programs define."""
    found = set()
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            found.add(node.attr)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    return {name for name in found if is_private(name)}


def private_uses(tree: ast.Module, ours: set[str], options: set[str]) -> dict[str, int]:
    """Returns {private member of another package: first line that uses it}, by name or as an option."""
    found: dict[str, int] = {}
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Attribute) and is_private(node.attr) and node.attr not in ours:
            names = [node.attr]
        elif isinstance(node, ast.keyword) and node.arg in options:
            names = [node.arg]
        elif isinstance(node, ast.Constant) and node.value in options:
            names = [node.value]
        for name in names:
            found[name] = min(node.lineno, found.get(name, node.lineno))
    return found


def private_modules(tree: ast.Module) -> list[str]:
    """Returns the private modules of Keras and TensorFlow that a program names in imports, attributes or strings."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Attribute):
            found.append(ast.unparse(node))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.append(node.value)
    return [name for name in found if re.match(rf"({'|'.join(map(re.escape, PRIVATE_MODULES))})(\.|$)", name)]


def overridden_members(kind: type) -> set[str]:
    """Returns the private members of Keras and TensorFlow base classes that the source of a class overrides."""
    bases = [base for base in kind.__mro__ if base.__module__.split(".")[0] in ("keras", "tensorflow")]
    own, inherited = (
        {name for one in some for name in [*vars(one), *assigned_attributes(one)] if is_private(name)}
        for some in ([kind], bases)
    )
    return own & inherited


def assigned_attributes(kind: type) -> set[str]:
    """Returns the attributes that a class assigns."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(kind)))
    return {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)}


@pytest.fixture(scope="module")
def sources():
    """Parsed source of every file of the package, by path."""
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}


@pytest.fixture(scope="module")
def uses(sources):
    """(file, private member, line) of every use."""
    texts = "".join(path.read_text(encoding="utf-8") for path in (KERAS / "src").rglob("*.py"))
    options = set(re.findall(r"[(,]\s*(_[a-z]\w*)=", texts))
    assert "_use_cached_eval_dataset" in options
    ours = private_definitions([*sources.values()])
    found = [(path, *use) for path, tree in sources.items() for use in private_uses(tree, ours, options).items()]
    for module in pkgutil.walk_packages(gan.__path__, "gan."):
        if not module.name.endswith("__main__"):
            for kind in vars(importlib.import_module(module.name)).values():
                if inspect.isclass(kind) and kind.__module__ == module.name:
                    lines, start = inspect.getsourcelines(kind)
                    for name in overridden_members(kind):
                        line = next(
                            number for number, text in enumerate(lines, start) if re.search(rf"\b{name}\b", text)
                        )
                        found.append((Path(inspect.getfile(kind)), name, line))
    return found


def test_every_private_member_in_use_has_a_test(uses):
    assert {name for _, name, _ in uses} == set(TESTED)


def test_every_use_has_a_comment_with_the_reason(uses):
    for path, name, line in uses:
        preceding = path.read_text(encoding="utf-8").splitlines()[max(0, line - 8) : line]
        assert any(re.search(r"# .*\bprivate in Keras\b", text, re.IGNORECASE) for text in preceding), f"{path}: {name}"


def test_private_modules_are_not_used(sources):
    assert {path: private_modules(tree) for path, tree in sources.items() if private_modules(tree)} == {}


PROGRAM = """
from keras.src.models import Model
import tensorflow.python.framework
import importlib
importlib.import_module("keras.src.ops")
tf._api.v2
model._theirs(1, _option=2)
known = {"_option_too"}
self._ours._theirs_too
self.__class__, self.public
def _ours(): pass
"""


def test_finds_private_uses_in_a_program():
    tree = ast.parse(PROGRAM)
    assert set(private_uses(tree, private_definitions([tree]), {"_option", "_option_too"})) == {
        "_api",
        "_option",
        "_option_too",
        "_theirs",
        "_theirs_too",
    }
    assert sorted(set(private_modules(tree))) == [
        "keras.src.models.Model",
        "keras.src.ops",
        "tensorflow.python.framework",
        "tf._api",
        "tf._api.v2",
    ]


def test_finds_the_members_that_a_class_overrides():
    assert overridden_members(RecordingModel) == {"_maybe_symbolic_build"}
    assert any(map(is_private, assigned_attributes(keras.layers.Layer)))
