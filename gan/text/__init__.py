"""Text: generation, recognition of categories, and answers to questions, under the same tolerance."""

from typing import TYPE_CHECKING

from gan.utils.lazy import lazy_names

if TYPE_CHECKING:
    from gan.text.alphabet import Alphabet
    from gan.text.corpora import load_corpus
    from gan.text.corpus import Corpus, TextSplit
    from gan.text.generators import TextGenerator
    from gan.text.names import load_names, shared_names
    from gan.text.normalization import normalize_name
    from gan.text.text_run import list_pretrained

_HOMES = {
    "Alphabet": "gan.text.alphabet",
    "Corpus": "gan.text.corpus",
    "TextGenerator": "gan.text.generators",
    "TextSplit": "gan.text.corpus",
    "list_pretrained": "gan.text.text_run",
    "load_corpus": "gan.text.corpora",
    "load_names": "gan.text.names",
    "normalize_name": "gan.text.normalization",
    "shared_names": "gan.text.names",
}
"""Public name -> module that defines it."""

__all__ = [
    "Alphabet",
    "Corpus",
    "TextGenerator",
    "TextSplit",
    "list_pretrained",
    "load_corpus",
    "load_names",
    "normalize_name",
    "shared_names",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
