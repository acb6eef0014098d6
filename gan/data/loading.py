"""load_dataset: a data set by its name."""

import warnings

from gan.checks import check
from gan.data.catalogue import UnreachableError, load_catalogued
from gan.data.dataset import Dataset
from gan.data.embedded import EMBEDDED, load_embedded


def load_dataset(name: str = "mnist", *, fallback: str = EMBEDDED) -> Dataset:
    """Loads a data set into memory, with its splits.

    MNIST is split 50,000 / 10,000 / 10,000 into train, validation and test; where another set has no validation split,
    a sixth of its training images is held out likewise. Which images are held out depends on the images alone.

    Args:
        name: `mnist5k` (5,000 MNIST digits that are always at hand), or any image set of tensorflow-datasets, such as
            `mnist`, `fashion_mnist`, `kmnist`, `cifar10`. That library looks for prepared sets in the folder that
            the environment variable TFDS_DATA_DIR names.
        fallback: what takes the place of `mnist`, with a warning, when it can neither be found nor downloaded:
            `mnist5k`, or `none`. The name of what was loaded is in `.name`.

    Raises `InputError` for an unknown name, and for a set that cannot be had.
    """
    check(fallback in (EMBEDDED, "none"), "fallback", f"{EMBEDDED} or none", fallback)
    if name == EMBEDDED:
        return load_embedded()
    try:
        return load_catalogued(name)
    except UnreachableError as error:
        if name != "mnist" or fallback != EMBEDDED:
            raise
        warnings.warn(f"MNIST IS NOT AT HAND: USING {EMBEDDED} (5,000 DIGITS) IN ITS PLACE. {error}", stacklevel=2)
        return load_embedded()
