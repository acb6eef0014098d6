"""Commands of README.md and docs/, and the options that shorten them for a test."""

import re
import shlex
from dataclasses import dataclass, field

from helpers.commands import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCS = {path.stem: path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md"))}
"""Name of a page -> its text."""

TINY = (
    "--images 32 --eval-every 16 --batch-size 16 --latent-dim 4 --g-width 4 --d-width 4 --steps-per-execution 2 "
    "--probe none"
)
"""Options that shorten a training. They are appended to a command; the last value of an option counts."""
TINY_TEXT_GAN = "--steps 2 --intervals 1 --batch-size 8 --width 4 --probe none --judge none"
TINY_RECOGNIZER = "--filters 4 --embedding 4 --ngrams 100 --epochs 1"

QUICK = {
    "make train": TINY,
    "gan train --resume runs/00001-mnist": "",
    "gan train --resume runs/00001-mnist --images 260000": "--images 48",
    "gan sample runs/00001-mnist --out digits.png": "",
    "gan sample runs/00001-mnist --num 64 --seed 0 --out digits.png": "",
    "gan sample mnist --label 7": "",
    "gan sample mnist --interpolate 0 9 --steps 10 --out walk.png": "",
    "gan sample mnist --num 1000000 --out digits.npz": "--num 100",
    "gan sample mnist --num 1000000 --out digits/ --shard 10000": "--num 100 --shard 40",
    "gan compare mnist mnist-mlp": "",
    "gan project mnist my-seven.jpg": "--steps 2 --restarts 1",
    "gan classify my-seven.jpg": "",
    "gan info mnist": "",
    "gan export mnist": "",
    "gan info exported/mnist.onnx": "",
    "gan sample exported/mnist.onnx --out digits-onnx.png": "",
    "gan tiers mnist --tolerance 0.02": "",
    "gan tiers mnist --tolerance 0.02 --json": "",
    "gan presets": "",
    "gan doctor": "",
    "gan train --tolerance 0.02 --tolerance-per-class 0.05 --when-refuted reduce": "--dry-run",
    "gan train --batch-size 64": "--dry-run",  # needs two machines, see test_devices.py
    "gan train mnist --batch-size 256 --scale-from-batch 64": "--dry-run",
    "gan text generate --label fi --num 10": "",
    "gan text recognize Germania Niemcy": "",
    "gan text ask 'What is the currency of Finland?' '日本的货币是什么'": "",
}
"""Commands that `make test` runs -> appended options. They run after `make train`, in the order of the pages."""

SLOW = {
    "gan train": TINY,
    "gan train mnist-mlp --epochs 3 --seed 1 --output runs/mlp": f"{TINY} --epochs 0.02",
    "gan train --dataset fashion_mnist": f"{TINY} --dataset mnist5k",
    "gan train r3gan --dataset cifar10 --epochs 30": f"{TINY} --dataset color.npz --epochs 0.5",
    "gan train --loss hinge --d-norm spectral --penalties --conditioning concat": TINY,
    "gan train --tolerance 0.02": f"{TINY} --probe auto --eval-num 50",
    "gan train --monitor val_frechet_distance --min-rel-delta 0.05 --patience 5": f"{TINY} --probe auto --eval-num 50",
    "gan evaluate runs/00001-mnist --tolerance 0.02": "--num 200",
    "gan compare mnist runs/00001-mnist": "",
    "gan evaluate mnist --tolerance 0.02 --output evaluated": "--dataset mnist5k --num 200",
    "gan evaluate mnist --dataset mnist5k --num 20000 --tolerance 0.02 --output evaluated": "--num 600",
    "gan train-classifier mnist-probe --output runs/probe": "--dataset mnist5k --width 4 --epochs 1",
    "gan train-classifier mnist-probe --tolerance 0.02": "--dataset mnist5k --width 4 --epochs 1",
    "gan train-classifier --dataset fashion_mnist --output runs/fashion-classifier": (
        "--dataset mnist5k --width 4 --blocks 1 --epochs 1"
    ),
    "gan train --dataset fashion_mnist --probe runs/fashion-classifier --output runs/fashion": (
        f"{TINY} --dataset mnist5k --probe runs/fashion-classifier --eval-num 50"
    ),
    "gan evaluate runs/fashion --classifier runs/fashion-classifier --tolerance 0.02": "--num 200",
    "gan export mnist --format litert --weights int8": "",
    "gan export mnist --format saved_model": "",
    "gan export mnist --format web": "",
    "gan export mnist --table": "--dataset mnist5k --num 200",
    "gan evaluate exported/mnist-int8.tflite --num 2000 --tolerance 0.02": "--dataset mnist5k --num 200",
    "gan doctor --test-jit mnist": "--test-jit-limit 0.1",
    "gan train mnist --jit on": "--dry-run",
    "python -m benchmarks recipes": (
        "--dataset mnist5k --presets mnist --seeds 0 --images 64 --num 200 --classifier mnist-probe"
    ),
    "python -m benchmarks step": "--dataset mnist5k --presets mnist --rounds 1 --seconds 0.01 --size 64",
    "python -m benchmarks headline": (
        "--dataset mnist5k --presets mnist-sprint --seeds 0 --epochs 0.01 --num 200 --classifier mnist-probe"
    ),
    "python -m benchmarks train-on-synthetic": (
        "--dataset mnist5k --classifier mnist-probe --num 200 --seeds 0 --epochs 1"
    ),
    "python -m benchmarks sampling": "--nums 100 --rounds 1 --seconds 0.01",
    "python -m benchmarks start": "--num 4 --rounds 1",
    "python -m benchmarks growth": "--batches 2 --widths --sizes --rounds 1 --seconds 0.01",
    "gan train --dataset pictures --image-size 64 --conditioning none --images 500000 --output runs/pictures": TINY,
    "gan sample runs/pictures --num 64 --out samples.png": "--num 4",
    "gan sample runs/pictures --num 1000 --out samples/": "--num 4",
    "gan train --dataset ./photos --augment flip integer_translation color --augment-probability ada": "--dry-run",
    "gan train --dataset ./photos --augment flip color --augment-probability 0.3": "--dry-run",
    "gan train --dataset pictures --monitor val_frechet_distance --patience 3": "--dry-run",
    "gan text generate --prompt 'new ' --temperature 0.7": "",
    "gan text generate names-gan --num 12": "",
    "gan text generate --num 5000 --output names.jsonl": "--num 30",
    "gan text recognize --file names.txt --json": "",
    "gan text ask --file questions.txt --json": "",
    "gan text ask 'What is the capital of Finland?'": "",
    "gan text ask 'How does the while statement end?' --knowledge python": "",
    "gan text ask 'When does the library open?' --knowledge faq.jsonl --threshold 0.6": "",
    "gan text train gan": TINY_TEXT_GAN,
    "gan text train gan --languages fi sv tr --steps 2000 --output runs/three": TINY_TEXT_GAN,
    "gan text train model": "--width 8 --epochs 1 --judge none",
    "gan text train model --data poems.txt --epochs 30": "--width 8 --epochs 1",
    "gan text train recognizer": TINY_RECOGNIZER,
    "gan text train recognizer --data requests.csv --tolerance 0.1 --output runs/requests": TINY_RECOGNIZER,
    "gan text recognize 'where is my parcel' --model runs/requests": "",
}
"""Commands that only `make test-all` runs -> appended options. `make test` checks that their options exist."""

ACCEPTED = {
    "gan evaluate runs/00001-mnist --tolerance 0.02": {"exceeded"},
    "gan train --tolerance 0.02": {"exceeded"},
    "gan train-classifier mnist-probe --tolerance 0.02": {"exceeded"},
    "gan evaluate mnist --tolerance 0.02 --output evaluated": {"within", "undecided"},  # 200 samples are few
    "gan evaluate mnist --dataset mnist5k --num 20000 --tolerance 0.02 --output evaluated": {"within", "undecided"},
    "gan evaluate runs/fashion --classifier runs/fashion-classifier --tolerance 0.02": {"exceeded"},
    "gan evaluate exported/mnist-int8.tflite --num 2000 --tolerance 0.02": {"within", "undecided"},
    "gan text ask 'What is the capital of Finland?'": {"undecided"},  # refused
}
"""Commands whose exit status is a verdict -> the possible verdicts with few steps and samples."""

REFUSED = {"gan compare mnist runs/00001-mnist"}
"""Commands that exit with status 2 here: without MNIST the run has another dataset than the pretrained generator."""

ELSEWHERE = {
    "make test",
    "make docs",
    "python -m http.server --directory exported/mnist-web",
    "pip install .",
    "pip install 'gan-reference[gpu]'",
    "pip install 'gan-reference[export]'",
    "pip install 'gan-reference[serve]'",
    "gan serve mnist",
    "gan serve mnist --audit 0.05",
    "gan feedback mnist --store mnist.sqlite",
    "gan feedback mnist --store mnist.sqlite --report --tolerance 0.02",
    "gan feedback mnist --store mnist.sqlite --export judgements.csv",
    "gan feedback mnist --store other.sqlite --import judgements.csv",
    "gan feedback mnist --store mnist.sqlite --rejected wrong.jsonl",
    "curl 'http://127.0.0.1:8501/sample.png?label=7&num=64' --output sevens.png",
    "gan select mnist mnist-sprint mnist-mlp --tolerance 0.02 --budget 10min",
    "gan select mnist --vary learning_rate=1e-3,3e-3 g_width=16,32 --tolerance 0.01 --budget 2e6 --cost bytes",
    "gan select --resume runs/00001-select-mnist",
    "gan select --artefacts mnist --tolerance 0.01 --cost bytes",
    "gan train-classifier mnist-probe --epochs 4 --seed 1 --output runs/seed1",
    "gan train-classifier mnist-probe --epochs 4 --seed 2 --output runs/seed2",
    "gan train-classifier mnist-probe --epochs 4 --seed 3 --output runs/seed3",
    "gan ensemble runs/seed1 runs/seed2 runs/seed3 mnist-probe --output runs/ensemble",
    "gan evaluate mnist --classifier runs/ensemble --num 2000",
    "gan train mnist --probe runs/ensemble",
    "gan mix mnist mnist-mlp --output runs/mixture",
    "gan mix mnist mnist-mlp --weights 0.5 0.5 --output runs/equal",
    "gan info runs/mixture",
    "gan evaluate runs/mixture",
    "gan export runs/mixture --format onnx",
    "gan train mnist-unconditional --dataset digits-0-4.npz --probe none --output run-0-4",
    "gan train mnist-unconditional --dataset digits-5-9.npz --probe none --output run-5-9",
    "gan mix run-0-4 run-5-9 --dataset mnist --output mixture",
    "gan evaluate mixture --num 5000",
    "gan sample runs/00001-mnist --num 1000 --reject classifier --out kept.npz",
    "gan sample runs/00001-mnist --num 1000 --reject classifier --keep 0.9 --out kept.npz",
    "gan sample runs/00001-mnist --num 1000 --reject discriminator --keep 0.9 --out kept.npz",
    "ray start --head --port 6379",
    "ray start --address HEAD:6379",
    "gan train mnist --ray auto --workers 2",
    "gan train mnist --ray ray://HEAD:10001 --workers 2",
    "gan train --resume runs/00001-mnist --ray auto --workers 2",
    "gan select mnist mnist-sprint mnist-mlp --tolerance 0.02 --budget 2e6 --ray auto",
    "gan select --resume runs/00003-select-mnist --ray auto",
    "gan select --artefacts runs/00001-mnist --tolerance 0.02",
    "gan select --resume runs/00002-select-mnist",
    (
        "gan select mnist mnist-sprint mnist-mlp mnist-unconditional cgan dcgan sngan r3gan --vary images=40000 "
        "--budget 9min"
    ),
    "gan data emoji",
    "gan train emoji",
    "gan sample runs/00001-emoji --out emoji.png",
    "gan train-classifier --dataset emoji --epochs 60 --batch-size 64 --output runs/emoji-classifier",
    "gan evaluate runs/00001-emoji --classifier runs/emoji-classifier",
    "gan train emoji --init-from runs/00001-emoji --freeze-d 1 --images 60000",
    "pip install 'gan-reference[emoji]'",
    "gan data emoji --size 64",
    "gan data emoji --categories smileys animals food people activities travel objects --output all-emoji",
    "gan train emoji --init-from runs/00001-emoji --dataset ./my-images --image-size 32 --channels 3 --freeze-d 1",
    "gan sample hf://USER/NAME",
    "gan evaluate hf://USER/NAME",
    "gan train emoji --init-from hf://USER/NAME",
    "gan push runs/00001-emoji hf://USER/NAME --license Apache-2.0 --notice NOTICE.txt",
    "gan push runs/00001-emoji hf://USER/NAME --out card",
    "gan push runs/00001-emoji hf://USER/NAME --dry-run",
    "gan evaluate runs/00001-emoji",
    "gan evaluate runs/00001-emoji --classifier none",
    "gan evaluate runs/00001-emoji --features network.keras:pooled",
    "gan train-classifier --dataset 'my pictures' --image-size 32 --output runs/classifier",
    "gan train --dataset 'my pictures' --image-size 32 --probe runs/classifier --output runs/first",
    "gan evaluate runs/first --classifier runs/classifier",
    "gan project runs/first 'my pictures/cats/001.png'",
    "gan export runs/first --format onnx",
    "gan evaluate exported/first.onnx --classifier runs/classifier",
    "python -m benchmarks little-data",
    "gan text train questions",
    "python -m benchmarks stacked-mnist",
    "python -m benchmarks read-digits",
    "python -m benchmarks feedback",
    "python -m benchmarks gpu",
    "python -m benchmarks pytorch --modes eager channels-last --torch-python pytorch/bin/python",
    "python -m benchmarks stopping",
    "python -m benchmarks stopping-rules",
}
"""Commands that other tests cover: test_docs.py, test_packaging.py, test_emoji_walk.py, tests/selection, tests/text and
benchmarks."""


@dataclass(frozen=True)
class Command:
    """One line of a code block, and the variables that the block exports before it."""

    line: str
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def script(self) -> str | None:
        """Path of the benchmark script; None for a `gan` command."""
        return str(ROOT / "benchmarks" / "__main__.py") if self.line.startswith("python -m benchmarks ") else None

    def arguments(self, short: str) -> list[str]:
        """Returns the arguments of the program, with the options `short` appended."""
        line = self.line.replace("make train", "gan train").replace("python -m benchmarks", "benchmarks")
        return shlex.split(f"{line} {short}")[1:]


def blocks(language: str) -> list[str]:
    """Returns the code blocks of a language: first from README.md, then from docs/ by file name."""
    pages = (README, *DOCS.values())
    return [block for page in pages for block in re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)]


def commands() -> list[Command]:
    """Returns all commands of all pages, each once."""
    found: dict[str, Command] = {}
    for block in blocks("sh"):
        environment: dict[str, str] = {}
        for line in block.splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ["export"]:
                name, _, value = words[1].partition("=")
                environment[name] = value
            elif words:
                command = Command(shlex.join(words).removeprefix(".venv/bin/"), environment)
                found.setdefault(command.line, command)
    return list(found.values())
