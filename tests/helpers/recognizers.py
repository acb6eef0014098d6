"""Tiny recognizers and texts with categories."""

from pathlib import Path

import numpy as np

from gan.text.data.corpora import load_corpus
from gan.text.data.corpus import Corpus, CorpusRecord
from gan.text.recognition.recognizer_config import RecognizerConfig

ENDINGS = {"west": "ona", "east": "ski"}
"""Category -> how its texts end."""

TINY = {"windows": (3,), "filters": 4, "embedding": 4, "batch_size": 16, "learning_rate": 0.03}
"""Options of a network of a few hundred weights."""


def write_table(path: Path, num: int = 90) -> Path:
    """Writes a table of invented names whose ending tells the category."""
    rng = np.random.default_rng(0)
    rows = ["text,category"]
    for category, ending in ENDINGS.items():
        stems = {"".join(rng.choice(list("bdgklmnprt"), 3)) + "aeiou"[i % 5] for i in range(num)}
        rows += [f"{stem}{ending},{category}" for stem in sorted(stems)]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def tiny_corpus(folder: Path) -> Corpus:
    """Returns the texts of `write_table`."""
    return load_corpus(write_table(folder / "names.csv"))


def tiny_config(folder: Path, **options: object) -> RecognizerConfig:
    """Returns the options of a tiny recognizer of `write_table`."""
    return RecognizerConfig(**{"data": str(write_table(folder / "names.csv")), **TINY, "epochs": 2, **options})  # type: ignore[arg-type]


def record_of(letters: str, length: int, *class_names: str) -> CorpusRecord:
    """Returns the record of texts that do not exist."""
    return CorpusRecord(name="by hand", class_names=class_names, letters=letters, length=length, train=1)
