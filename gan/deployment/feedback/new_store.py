"""A new file of judgements that appears only when what it is made for is in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gan.deployment.feedback.places import check_no_remains, check_place
from gan.deployment.feedback.store import FeedbackStore
from gan.errors import InputError
from gan.saving import files


@contextmanager
def create_store(
    path: Path, generator_sha256: str, *, seed: int | None = None, overlap: float | None = None
) -> Iterator[FeedbackStore]:
    """Yields a new store, whose file is at `path` when the context ends without an error. An error leaves no file.

    The arguments are those of `FeedbackStore`. Raises `InputError` if there is a file at `path`, or a part of one.
    """
    check_place(path)
    check_no_remains(path)
    with files.atomically(path) as partial:
        with FeedbackStore(partial, generator_sha256, seed=seed, overlap=overlap) as store:
            store.path = path  # messages name the file that is to be
            yield store
        if path.exists():
            raise InputError("The file exists already", expected="a new file", received=str(path))
        check_no_remains(path)
