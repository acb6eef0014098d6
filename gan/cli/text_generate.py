"""gan text generate."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from gan.cli.exit_status import DONE, ended_by_sigterm
from gan.cli.output import print_result
from gan.errors import InputError, check, check_not_negative, check_sampling, did_you_mean
from gan.saving import files
from gan.text.data.files import check_text, read_text
from gan.text.generation.prompts import as_prompt
from gan.text.runs.text_run import TextRecord, find_network, find_run
from gan.utils import tensorflow as runtime

if TYPE_CHECKING:
    from gan.text.generation.generators import TextGenerator

DEFAULT_CHECKPOINT = "names-model"
SUFFIXES = (".txt", ".jsonl")
AT_ONCE = 8_192
"""Texts that are generated before they are written."""


@dataclass(frozen=True)
class GenerateTexts:
    """Generate texts with a text GAN or a language model.

    Prints one text per line. The same seed and index always give the same text, whatever the number of texts. Without
    --label, the categories take turns. A language model continues --prompt, in the languages that it has learned.

    examples:
      gan text generate --num 10 --label fi
      gan text generate names-model --prompt "new " --temperature 0.7
      gan text generate runs/00001-text-gan --num 5000 --output names.jsonl
    """

    checkpoint: Annotated[Positional[str], arg(metavar="CHECKPOINT")] = DEFAULT_CHECKPOINT
    """Run folder of a text GAN or a language model, or a pretrained name."""
    num: int = 20
    """Number of texts."""
    seed: int = 0
    """Seed of all random numbers."""
    start: int = 0
    """Index of the first text."""
    label: str | None = None
    """Category of all texts, such as the language fi. None: the categories take turns."""
    temperature: float | None = None
    """Divides the logits of a language model: lower is more typical, 0 takes the most probable character. None: 1."""
    prompt: str | None = None
    """Text that a language model continues. None: texts from their beginning."""
    prompt_file: str | None = None
    """File with the prompt, in UTF-8; - is standard input. None: --prompt, if given."""
    output: Path | None = None
    """File to write: .txt, one text per line, or .jsonl, with index and label. None: the texts are printed."""
    json: bool = False
    """Print the result as one JSON object on stdout."""

    def run(self) -> int:
        """Generates the texts, and prints or writes them; returns the exit status."""
        check_sampling(num=self.num, seed=self.seed, start=self.start, truncation=None)
        if self.output is not None:
            expected = f"a file {' or '.join(SUFFIXES)}"
            check(self.output.suffix.lower() in SUFFIXES, "--output", expected, str(self.output))
            files.check_writable(self.output)
        folder, record = find_run(self.checkpoint, "gan", "model")
        label, options = self._label(record), self._options(record)
        find_network(folder, record)
        runtime.load_tensorflow(lean=True)
        from gan.text.generation.saved import load_text_generator

        runtime.start()
        generator = load_text_generator(folder)
        with ended_by_sigterm():
            texts = self._generate(generator, label, options)
            if self.output is not None:
                self.output.parent.mkdir(parents=True, exist_ok=True)
                files.write(
                    self.output, partial(self._write, texts=texts, names=record.corpus.class_names, label=label)
                )
                print_result({"output": str(self.output), "num": self.num}, as_json=self.json)
            elif self.json:
                asked = {"checkpoint": self.checkpoint, "num": self.num, "seed": self.seed, "start": self.start}
                print_result({**asked, "label": self.label, **options, "texts": [*texts]}, as_json=True)
            else:
                for text in texts:
                    print(text)
        return DONE

    def _generate(
        self, generator: "TextGenerator", label: int | None, options: dict[str, float | str]
    ) -> Iterator[str]:
        for first in range(0, self.num, AT_ONCE):
            num = min(AT_ONCE, self.num - first)
            labels = None if label is None else [label] * num
            yield from generator.generate(num, seed=self.seed, start=self.start + first, labels=labels, **options)

    def _label(self, record: TextRecord) -> int | None:
        """Returns the number of the category that is asked for."""
        names = record.corpus.class_names
        if self.label is None:
            return None
        if self.label not in names:
            known = f"one of {', '.join(names)}" if names else "no --label: these texts have no categories"
            expected = f"{known}{did_you_mean(self.label, names)}"
            raise InputError("Unknown category", expected=expected, received=repr(self.label))
        return names.index(self.label)

    def _options(self, record: TextRecord) -> dict[str, float | str]:
        """Returns the options that only a language model has."""
        if self.prompt is not None and self.prompt_file is not None:
            raise InputError("Two prompts", expected="--prompt or --prompt-file", received="both")
        options: dict[str, float | str] = {}
        if self.temperature is not None:
            check_not_negative("--temperature", self.temperature)
            options["temperature"] = self.temperature
        prompt = self.prompt if self.prompt_file is None else read_text(self.prompt_file).rstrip("\r\n")
        if prompt is not None:
            check_text(prompt)
            options["prompt"] = prompt
        if options and record.kind != "model":
            received = f"--{' --'.join(options)} for {self.checkpoint}"
            raise InputError("A text GAN has no such option", expected="a language model", received=received)
        as_prompt(prompt or "", record.corpus)
        return options

    def _write(self, path: Path, *, texts: Iterator[str], names: tuple[str, ...], label: int | None) -> None:
        with path.open("w", encoding="utf-8") as file:
            if self.output is not None and self.output.suffix.lower() == ".txt":
                file.writelines(f"{text}\n" for text in texts)
                return
            for index, text in enumerate(texts, self.start):
                category = {"label": names[index % len(names) if label is None else label]} if names else {}
                file.write(json.dumps({"index": index, "text": text, **category}, ensure_ascii=False) + "\n")
