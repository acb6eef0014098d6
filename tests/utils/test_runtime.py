import os

import pytest

from gan.errors import InputError
from gan.utils import tensorflow as runtime


def test_another_backend_is_refused(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with pytest.raises(InputError, match=r"Expected KERAS_BACKEND=tensorflow. Received: KERAS_BACKEND=jax"):
        runtime.start()


def test_the_device_line_names_device_and_versions():
    line = runtime.start()
    assert "CPU" in line or "GPU" in line
    assert "Keras 3" in line


def test_what_c_writes_is_held_back_and_shown_when_something_breaks(capfd):
    with runtime._silent_stderr():
        os.write(2, b"chatter\n")
    assert capfd.readouterr().err == ""

    def breaks():
        with runtime._silent_stderr():
            os.write(2, b"the reason\n")
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        breaks()
    assert "the reason" in capfd.readouterr().err
