"""XLA options to try on a GPU: the installed TensorFlow accepts all of them."""

import os
import subprocess
import sys

import pytest

from benchmarks.xla_variants import LOGS, XLA_VARIANTS, environment

COMPILE = """
import tensorflow as tf
print(int(tf.function(lambda x: x + 1, jit_compile=True)(tf.constant(1))))
"""


def run(variables):
    kept = {name: value for name, value in os.environ.items() if name not in ("XLA_FLAGS", "TF_XLA_FLAGS")}
    return subprocess.run([sys.executable, "-c", COMPILE], env=kept | variables, capture_output=True, text=True)


def merged(names, cache):
    """Returns the flags of several variants together. Of a flag given twice, the last one counts."""
    found = [environment(name, cache) for name in names]
    return {
        variable: " ".join(variables.get(variable, "") for variables in found)
        for variable in ("XLA_FLAGS", "TF_XLA_FLAGS")
    }


@pytest.mark.slow
def test_tensorflow_accepts_every_flag(tmp_path):
    done = run(merged(XLA_VARIANTS, tmp_path))
    assert (done.returncode, done.stdout) == (0, "2\n"), done.stderr


@pytest.mark.slow
def test_an_unknown_flag_ends_the_process(tmp_path):
    done = run({"XLA_FLAGS": "--xla_gpu_no_such_flag=true"})
    assert done.returncode != 0
    assert "Unknown flag" in done.stderr


@pytest.mark.slow
def test_the_log_shows_the_passes_of_the_compiler():
    assert "HLO pass" in run(dict(LOGS)).stderr


def test_the_folder_of_a_cache_is_filled_in(tmp_path):
    assert environment("program-cache", tmp_path) == {"TF_XLA_FLAGS": f"--tf_xla_persistent_cache_directory={tmp_path}"}
    with pytest.raises(ValueError, match="needs a folder"):
        environment("tuning-cache")


def test_a_variant_sets_only_the_variables_that_it_needs():
    assert environment("default") == {}
    assert set(environment("no-triton")) == {"XLA_FLAGS"}
    with pytest.raises(KeyError):
        environment("no-such-variant")


def test_no_two_variants_are_equal():
    assert len(set(XLA_VARIANTS.values())) == len(XLA_VARIANTS)
