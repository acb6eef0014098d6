"""Parts outside Python that some tests need, such as a browser. `make test` skips these tests without them."""

import os
from typing import NoReturn

import pytest

REQUIRED = bool(os.environ.get("GAN_TEST_ALL"))
"""Whether a missing part is a failure, as in `make test-all`."""


def report_missing(part: str) -> NoReturn:
    """Skips the test that needs a part, or fails it if all parts are required."""
    if REQUIRED:
        pytest.fail(f"needs {part}")
    pytest.skip(f"needs {part}")
