"""Renames the keys of files that older versions of this package wrote. Does not import TensorFlow."""

from collections.abc import Mapping, Sequence

from gan.errors import Json

RENAMED: Mapping[str, str] = {
    "config.optimization.wrong_labels": "mismatched_labels",
    "config.stopping.extractor": "classifier",
    "wrong_labels": "mismatched_labels",  # compile configuration of a saved `GAN`
    "callbacks.CollapseMonitor.in_a_row.The discriminator has won": "The discriminator dominates",  # training state
    "class_histogram.pictures": "samples",  # report
}
"""Path of an old key in a file -> new key. Class names of callbacks are keys of training states."""


def with_new_names(content: Json) -> Json:
    """Returns a copy of a JSON object with old keys renamed. If old and new key are both present, the new one wins."""
    for place, new in RENAMED.items():
        content = _renamed(content, place.split("."), new)
    return content


def _renamed(content: Json, place: Sequence[str], new: str) -> Json:
    old, *rest = place
    if not isinstance(content, Mapping) or old not in content:
        return content
    if rest:
        return {**content, old: _renamed(content[old], rest, new)}
    kept = [key for key in content if key != old or new not in content]
    return {new if key == old else key: content[key] for key in kept}
