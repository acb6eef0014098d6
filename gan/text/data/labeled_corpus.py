"""Texts with categories, as the options of a recognizer name them. Does not import TensorFlow."""

from gan.errors import InputError
from gan.text.data.corpora import load_corpus
from gan.text.data.corpus import Corpus
from gan.text.recognition.recognizer_config import RecognizerConfig
from gan.tolerance import CONFIDENCE, check_confirmation


def load_labeled(config: RecognizerConfig) -> Corpus:
    """Loads the texts that the options name. Raises `InputError` if they have no categories."""
    corpus = load_corpus(config.data, config.languages)
    check_corpus(config, corpus)
    return corpus


def check_corpus(config: RecognizerConfig, corpus: Corpus) -> None:
    """Raises `InputError` for texts without categories, and for too few test texts for the tolerance."""
    if not corpus.num_classes:
        expected = "a .csv, .tsv or .jsonl file with the columns text and category"
        raise InputError("A recognizer needs categories", expected=expected, received=f"{corpus.name}: texts alone")
    if config.tolerance is not None:
        num = len(corpus.test)
        check_confirmation(
            "tolerance", config.tolerance, num, CONFIDENCE, outcomes=f"{num:,} test texts", larger="{:,} test texts"
        )
