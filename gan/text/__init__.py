"""Text: generation, recognition of categories, and answers to questions, under the same tolerance."""

from typing import TYPE_CHECKING

from gan.utils.lazy import lazy_names

if TYPE_CHECKING:
    from gan.text.data.alphabet import Alphabet
    from gan.text.data.corpora import load_corpus
    from gan.text.data.corpus import Corpus, TextSplit
    from gan.text.data.names import collect_names, load_names, shared_names
    from gan.text.data.normalization import normalize_name
    from gan.text.generation.generators import TextGenerator
    from gan.text.generation.judges import TextJudge
    from gan.text.generation.language_config import LanguageModelConfig
    from gan.text.generation.language_model import LanguageModel
    from gan.text.generation.language_training import resume_language_model, train_language_model
    from gan.text.generation.markov import MarkovLanguage
    from gan.text.generation.quality import TextQuality, TextReference
    from gan.text.generation.saved import load_text_generator
    from gan.text.generation.text_gan import TextGan
    from gan.text.generation.text_gan_config import TextGanConfig
    from gan.text.generation.text_gan_training import resume_text_gan, train_text_gan
    from gan.text.generation.text_networks import build_text_discriminator, build_text_generator
    from gan.text.questions.answering import Answer
    from gan.text.questions.ask import answer_questions, find_reader
    from gan.text.questions.knowledge import Knowledge, known_facts, load_knowledge
    from gan.text.questions.options import QuestionsConfig
    from gan.text.questions.training import resume_questions, train_questions
    from gan.text.recognition.recognizer import Feature, Recognition, Recognizer, load_recognizer
    from gan.text.recognition.recognizer_config import RecognizerConfig
    from gan.text.recognition.recognizer_pool import RecognizerPool, fit_pool
    from gan.text.recognition.recognizer_training import resume_recognizer, train_recognizer
    from gan.text.runs.report import TextReport, load_text_report
    from gan.text.runs.text_run import list_pretrained

_HOMES = {
    "Alphabet": "gan.text.data.alphabet",
    "Answer": "gan.text.questions.answering",
    "Corpus": "gan.text.data.corpus",
    "Feature": "gan.text.recognition.recognizer",
    "Knowledge": "gan.text.questions.knowledge",
    "LanguageModel": "gan.text.generation.language_model",
    "LanguageModelConfig": "gan.text.generation.language_config",
    "MarkovLanguage": "gan.text.generation.markov",
    "QuestionsConfig": "gan.text.questions.options",
    "Recognition": "gan.text.recognition.recognizer",
    "Recognizer": "gan.text.recognition.recognizer",
    "RecognizerConfig": "gan.text.recognition.recognizer_config",
    "RecognizerPool": "gan.text.recognition.recognizer_pool",
    "TextGan": "gan.text.generation.text_gan",
    "TextGanConfig": "gan.text.generation.text_gan_config",
    "TextGenerator": "gan.text.generation.generators",
    "TextJudge": "gan.text.generation.judges",
    "TextQuality": "gan.text.generation.quality",
    "TextReference": "gan.text.generation.quality",
    "TextReport": "gan.text.runs.report",
    "TextSplit": "gan.text.data.corpus",
    "answer_questions": "gan.text.questions.ask",
    "build_text_discriminator": "gan.text.generation.text_networks",
    "build_text_generator": "gan.text.generation.text_networks",
    "collect_names": "gan.text.data.names",
    "find_reader": "gan.text.questions.ask",
    "fit_pool": "gan.text.recognition.recognizer_pool",
    "known_facts": "gan.text.questions.knowledge",
    "list_pretrained": "gan.text.runs.text_run",
    "load_corpus": "gan.text.data.corpora",
    "load_knowledge": "gan.text.questions.knowledge",
    "load_names": "gan.text.data.names",
    "load_recognizer": "gan.text.recognition.recognizer",
    "load_text_generator": "gan.text.generation.saved",
    "load_text_report": "gan.text.runs.report",
    "normalize_name": "gan.text.data.normalization",
    "resume_language_model": "gan.text.generation.language_training",
    "resume_questions": "gan.text.questions.training",
    "resume_recognizer": "gan.text.recognition.recognizer_training",
    "resume_text_gan": "gan.text.generation.text_gan_training",
    "shared_names": "gan.text.data.names",
    "train_language_model": "gan.text.generation.language_training",
    "train_questions": "gan.text.questions.training",
    "train_recognizer": "gan.text.recognition.recognizer_training",
    "train_text_gan": "gan.text.generation.text_gan_training",
}
"""Public name -> module that defines it."""

__all__ = [
    "Alphabet",
    "Answer",
    "Corpus",
    "Feature",
    "Knowledge",
    "LanguageModel",
    "LanguageModelConfig",
    "MarkovLanguage",
    "QuestionsConfig",
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
    "TextReport",
    "TextSplit",
    "answer_questions",
    "build_text_discriminator",
    "build_text_generator",
    "collect_names",
    "find_reader",
    "fit_pool",
    "known_facts",
    "list_pretrained",
    "load_corpus",
    "load_knowledge",
    "load_names",
    "load_recognizer",
    "load_text_generator",
    "load_text_report",
    "normalize_name",
    "resume_language_model",
    "resume_questions",
    "resume_recognizer",
    "resume_text_gan",
    "shared_names",
    "train_language_model",
    "train_questions",
    "train_recognizer",
    "train_text_gan",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
