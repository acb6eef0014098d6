"""Text: generation, recognition of categories, and answers to questions, under the same tolerance."""

from typing import TYPE_CHECKING

from gan.utils.lazy import lazy_names

if TYPE_CHECKING:
    from gan.text.alphabet import Alphabet
    from gan.text.corpora import load_corpus
    from gan.text.corpus import Corpus, TextSplit
    from gan.text.generators import TextGenerator
    from gan.text.judges import TextJudge
    from gan.text.language_config import LanguageModelConfig
    from gan.text.language_model import LanguageModel
    from gan.text.language_training import resume_language_model, train_language_model
    from gan.text.markov import MarkovLanguage
    from gan.text.names import load_names, shared_names
    from gan.text.normalization import normalize_name
    from gan.text.quality import TextQuality, TextReference
    from gan.text.recognizer import Feature, Recognition, Recognizer, load_recognizer
    from gan.text.recognizer_config import RecognizerConfig
    from gan.text.recognizer_pool import RecognizerPool, fit_pool
    from gan.text.recognizer_training import resume_recognizer, train_recognizer
    from gan.text.saved import load_text_generator
    from gan.text.text_gan import TextGan
    from gan.text.text_gan_config import TextGanConfig
    from gan.text.text_gan_training import resume_text_gan, train_text_gan
    from gan.text.text_networks import build_text_discriminator, build_text_generator
    from gan.text.text_run import list_pretrained

_HOMES = {
    "Alphabet": "gan.text.alphabet",
    "Corpus": "gan.text.corpus",
    "Feature": "gan.text.recognizer",
    "LanguageModel": "gan.text.language_model",
    "LanguageModelConfig": "gan.text.language_config",
    "MarkovLanguage": "gan.text.markov",
    "Recognition": "gan.text.recognizer",
    "Recognizer": "gan.text.recognizer",
    "RecognizerConfig": "gan.text.recognizer_config",
    "RecognizerPool": "gan.text.recognizer_pool",
    "TextGan": "gan.text.text_gan",
    "TextGanConfig": "gan.text.text_gan_config",
    "TextGenerator": "gan.text.generators",
    "TextJudge": "gan.text.judges",
    "TextQuality": "gan.text.quality",
    "TextReference": "gan.text.quality",
    "TextSplit": "gan.text.corpus",
    "build_text_discriminator": "gan.text.text_networks",
    "build_text_generator": "gan.text.text_networks",
    "fit_pool": "gan.text.recognizer_pool",
    "list_pretrained": "gan.text.text_run",
    "load_corpus": "gan.text.corpora",
    "load_names": "gan.text.names",
    "load_recognizer": "gan.text.recognizer",
    "load_text_generator": "gan.text.saved",
    "normalize_name": "gan.text.normalization",
    "resume_language_model": "gan.text.language_training",
    "resume_recognizer": "gan.text.recognizer_training",
    "resume_text_gan": "gan.text.text_gan_training",
    "shared_names": "gan.text.names",
    "train_language_model": "gan.text.language_training",
    "train_recognizer": "gan.text.recognizer_training",
    "train_text_gan": "gan.text.text_gan_training",
}
"""Public name -> module that defines it."""

__all__ = [
    "Alphabet",
    "Corpus",
    "Feature",
    "LanguageModel",
    "LanguageModelConfig",
    "MarkovLanguage",
    "Recognition",
    "Recognizer",
    "RecognizerConfig",
    "RecognizerPool",
    "TextGan",
    "TextGanConfig",
    "TextGenerator",
    "TextJudge",
    "TextQuality",
    "TextReference",
    "TextSplit",
    "build_text_discriminator",
    "build_text_generator",
    "fit_pool",
    "list_pretrained",
    "load_corpus",
    "load_names",
    "load_recognizer",
    "load_text_generator",
    "normalize_name",
    "resume_language_model",
    "resume_recognizer",
    "resume_text_gan",
    "shared_names",
    "train_language_model",
    "train_recognizer",
    "train_text_gan",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
