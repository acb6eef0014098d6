"""Text: generation, recognition of categories, and answers to questions, under the same tolerance."""

from typing import TYPE_CHECKING

from gan.utils.lazy import lazy_names

if TYPE_CHECKING:
    from gan.text.alphabet import Alphabet
    from gan.text.corpora import load_corpus
    from gan.text.corpus import Corpus, TextSplit
    from gan.text.generators import TextGenerator
    from gan.text.language_config import LanguageModelConfig
    from gan.text.language_model import LanguageModel
    from gan.text.language_training import resume_language_model, train_language_model
    from gan.text.markov import MarkovLanguage
    from gan.text.names import load_names, shared_names
    from gan.text.normalization import normalize_name
    from gan.text.saved import load_text_generator
    from gan.text.text_run import list_pretrained

_HOMES = {
    "Alphabet": "gan.text.alphabet",
    "Corpus": "gan.text.corpus",
    "LanguageModel": "gan.text.language_model",
    "LanguageModelConfig": "gan.text.language_config",
    "MarkovLanguage": "gan.text.markov",
    "TextGenerator": "gan.text.generators",
    "TextSplit": "gan.text.corpus",
    "list_pretrained": "gan.text.text_run",
    "load_corpus": "gan.text.corpora",
    "load_names": "gan.text.names",
    "load_text_generator": "gan.text.saved",
    "normalize_name": "gan.text.normalization",
    "resume_language_model": "gan.text.language_training",
    "shared_names": "gan.text.names",
    "train_language_model": "gan.text.language_training",
}
"""Public name -> module that defines it."""

__all__ = [
    "Alphabet",
    "Corpus",
    "LanguageModel",
    "LanguageModelConfig",
    "MarkovLanguage",
    "TextGenerator",
    "TextSplit",
    "list_pretrained",
    "load_corpus",
    "load_names",
    "load_text_generator",
    "normalize_name",
    "resume_language_model",
    "shared_names",
    "train_language_model",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
