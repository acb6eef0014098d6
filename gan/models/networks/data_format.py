"""Networks have the channels last, also if Keras' global image data format is `channels_first`."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras


@contextmanager
def channels_last() -> Iterator[None]:
    """Layers that are created inside have `data_format="channels_last"`. Also a decorator: `@channels_last()`.

    Keras reads its global setting when it creates a layer, and stores it in the layer.
    """
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_last")
    try:
        yield
    finally:
        keras.config.set_image_data_format(before)
