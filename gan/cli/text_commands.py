"""The commands of texts. No other file of the command line mentions the room `gan.text`, but for one line in `main`."""

from gan.cli.arguments import Command
from gan.cli.text_gan import TrainTextGan
from gan.cli.text_generate import GenerateTexts
from gan.cli.text_model import TrainLanguageModel
from gan.cli.text_questions import Ask, TrainQuestions
from gan.cli.text_recognizer import Recognize, TrainRecognizer

TEXT_COMMANDS: dict[str, dict[str, type[Command]]] = {
    "text": {
        "text train gan": TrainTextGan,
        "text train model": TrainLanguageModel,
        "text train recognizer": TrainRecognizer,
        "text train questions": TrainQuestions,
        "text generate": GenerateTexts,
        "text recognize": Recognize,
        "text ask": Ask,
    }
}
"""Title in the help -> name -> command, a part of `gan.cli.main.COMMANDS`."""
