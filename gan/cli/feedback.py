"""gan feedback."""

import os
import sys
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from gan.cli.exit_status import DONE
from gan.cli.output import print_result
from gan.cli.serve import TOKEN
from gan.config import ReadingOptions
from gan.config.arguments import as_arguments
from gan.deployment.names import served_name
from gan.errors import InputError, check_seed, check_share, check_share_below_one, check_whole
from gan.saving import files, models, run_folder
from gan.saving.known_images import KnownImages
from gan.saving.metadata import check_classes
from gan.saving.models import FoundClassifier
from gan.saving.saved_generator import SavedGenerator, find_saved
from gan.tolerance import EXIT_STATUS
from gan.utils import tensorflow as runtime
from gan.utils.extras import import_extra

if TYPE_CHECKING:
    from gan.deployment.feedback.pictures import Plan
    from gan.deployment.feedback.session import GoldImages
    from gan.deployment.feedback.store import FeedbackStore
    from gan.saving.engines.engine import Engine
    from gan.tolerance import PredictedCounts

CLASSIFIER = "mnist-classifier"
"""Classifier that reads the samples of a new plan."""

OF_JOB = {
    "--report": {"--tolerance", "--mode", "--num", "--classifier"},
    "--export": set[str](),
    "--import": {"--seed", "--overlap"},
    "--rejected": set[str](),
}
"""Option that is a job of its own -> the options that have an effect beside it, except `--store` and `--json`."""

OF_GOLD = {"--dataset", *(f"--{option.name.replace('_', '-')}" for option in fields(ReadingOptions))}
"""Options that have an effect only with `--gold`."""


@dataclass(frozen=True)
class Feedback:
    """Let people judge samples in the browser, and report an error rate with bounds.

    Starts a server whose page shows one picture at a time. Every judgement is in one SQLite file. `--report` prints the
    verdict. Its exit status is that of `gan evaluate`: 0 within the tolerance, 3 exceeded, 4 undecided. Coverage
    is not judged. Needs: pip install 'gan-reference[serve]'

    examples:
      gan feedback runs/00001-mnist
      gan feedback mnist --store mnist.sqlite --gold 0.2
      gan feedback mnist --store mnist.sqlite --report --tolerance 0.02
      gan feedback mnist --store mnist.sqlite --export judgements.csv
    """

    checkpoint: Annotated[Positional[str], arg(metavar="CHECKPOINT")]
    """Run folder, .keras file, pretrained name (`gan doctor` lists them) or exported generator."""
    store: Path | None = None
    """File of the judgements. None: feedback.sqlite in the run folder."""
    mode: Literal["audit", "stratified", "report"] = "audit"
    """What people do: judge random samples, judge what a classifier flags and some others, or flag what they see.

    One file may hold all modes; their numbers are never merged.
    """
    tolerance: float = 0.02
    """Accepted error rate, from 0 to 1."""
    gold: float = 0.0
    """Share of real test images among the pictures, half with a wrong class. They measure the judges."""
    dataset: str | None = None
    """With --gold: dataset of the real images. None: the dataset of the training."""
    reading: ReadingOptions = field(default_factory=ReadingOptions)
    overlap: float | None = None
    """Share of the samples that a second person judges too. None: that of the file, or 0.1 for a new one."""
    seed: int | None = None
    """Seed of the pictures of a new file. None: a random one."""
    num: int | None = None
    """Number of samples that the classifier reads for a new plan of `stratified`. None: 10000, or that of the plan."""
    classifier: str | None = None
    """Classifier that reads samples: pretrained name or folder. None: mnist-classifier for a new plan.

    With `--report` in the mode audit, it reads the samples for an estimate that uses what it says of them.
    """
    host: str = "127.0.0.1"
    """Address to listen at. One that other machines can reach needs a token."""
    port: int = 8502
    """Port to listen at. 0: any free port."""
    token: str | None = None
    """Token that requests must send. None: the environment variable GAN_TOKEN, or no token without it.

    A browser asks for a user, which may be any, and for a password, which is the token.
    """
    report: bool = False
    """Print what the judgements say instead of starting the server."""
    export: Path | None = None
    """File .csv or .jsonl to write the judgements of all modes to. None: no export."""
    import_: Annotated[Path | None, arg(name="import")] = None
    """File of an export to add to the judgements of all modes, all of it or nothing. None: no import.

    Rows of the mode stratified need the plan, which is not in an export.
    """
    rejected: Path | None = None
    """File .jsonl for the samples that people called wrong in any mode, for training. None: not written."""
    json: bool = False
    """Print the result as one JSON object on stdout."""

    def run(self) -> int:
        """Does one job, or serves until a signal arrives; returns the exit status."""
        from gan.deployment.feedback.exchange import export_rows, write_rejected
        from gan.deployment.feedback.rows import check_suffix

        self._check_options()
        saved = find_saved(self.checkpoint)  # rejects other files before TensorFlow is imported
        path = self._store_path(saved)
        if self.report:
            return self._report(saved, path)
        if self.export is not None:
            check_suffix(self.export)
            with self._open(saved, path, create=False) as store:
                number = export_rows(store, self.export)
                seed = self._printed(store.seed)
                result = {"rows": number, "file": str(self.export), "seed": seed, "overlap": store.overlap}
            print_result(result, as_json=self.json)
        elif self.rejected is not None:
            with self._open(saved, path, create=False) as store:
                number = write_rejected(store, self.rejected)
            print_result({"samples": number, "file": str(self.rejected)}, as_json=self.json)
        elif self.import_ is not None:
            self._import(saved, path, self.import_)
        else:
            self._serve(saved, path)
        return DONE

    def _check_options(self) -> None:
        check_whole("port", self.port, 0, 65_535)
        check_share("tolerance", self.tolerance)
        check_share_below_one("gold", self.gold)
        if self.overlap is not None:
            check_share("overlap", self.overlap)
        if self.seed is not None:
            check_seed(self.seed)
        if self.num is not None:
            check_whole("num", self.num, 1)
        words = as_arguments(self, Feedback(self.checkpoint))
        given = {word for word in words if word.startswith("--")} - {"--store", "--json"}
        jobs = sorted(given & set(OF_JOB))
        if len(jobs) > 1:
            raise InputError("Several jobs", expected=f"one of {', '.join(OF_JOB)}", received=" ".join(jobs))
        idle = given - {*jobs, *OF_JOB[jobs[0]]} if jobs else set[str]()
        if self.mode == "report":
            idle |= given & {"--gold", "--overlap", "--tolerance"}
        reads_samples = self.mode == ("audit" if self.report else "stratified")
        if not reads_samples:
            idle |= given & {"--num", "--classifier"}
        if self.report and self.classifier is None:
            idle |= given & {"--num"}
        if not self.gold:
            idle |= given & OF_GOLD
        if idle:
            mode = [] if self.mode == "audit" and jobs else [f"--mode {self.mode}"]
            beside = f"{' '.join([*jobs, *mode])} without them"
            raise InputError("These options have no effect", expected=beside, received=" ".join(sorted(idle)))

    def _store_path(self, saved: SavedGenerator) -> Path:
        if self.store is not None:
            return files.as_path(self.store, "store")
        folder = models.own_run_folder(self.checkpoint)
        if folder is None:
            expected = "--store FILE.sqlite: only a run folder of your own has a place for it"
            raise InputError("Where are the judgements", expected=expected, received=self.checkpoint)
        return folder / run_folder.JUDGEMENTS

    def _open(self, saved: SavedGenerator, path: Path, *, create: bool = True) -> "FeedbackStore":
        from gan.deployment.feedback.store import FeedbackStore

        store = FeedbackStore(path, saved.summary.sha256, seed=self.seed, overlap=self.overlap, create=create)
        try:
            store.check()
        except BaseException:
            store.close()
            raise
        return store

    def _report(self, saved: SavedGenerator, path: Path) -> int:
        from gan.cli.feedback_report import print_summary
        from gan.deployment.feedback.summary import summarize

        with self._open(saved, path, create=False) as store:
            predicted = None if self.classifier is None else self._predict(saved, store, self.classifier)
            classes = saved.summary.num_classes or 0
            summary = summarize(store, self.mode, self.tolerance, predicted=predicted, num_classes=classes)
        names = saved.class_names if len(saved.class_names) == classes else ()
        print_summary(summary, as_json_object=self.json, class_names=names)
        return DONE if summary.verdict is None else EXIT_STATUS[summary.verdict]

    def _predict(self, saved: SavedGenerator, store: "FeedbackStore", classifier: str) -> "PredictedCounts | None":
        found, dataset = models.find_classifier(classifier), _images(saved)
        engine = _load_engine(saved)
        from gan.deployment.feedback.reading import NUM, predict, read_flags

        num = max(self.num or NUM, store.counts("audit").n)
        return predict(store, read_flags(engine, found, dataset, seed=store.seed, num=num))

    def _import(self, saved: SavedGenerator, path: Path, file: Path) -> None:
        from gan.deployment.feedback.exchange import import_rows, seed_in
        from gan.deployment.feedback.new_store import create_store
        from gan.deployment.feedback.rows import check_suffix

        check_suffix(file)
        num_classes = saved.summary.num_classes
        if num_classes is None:
            num_classes = _load_engine(saved).num_classes
        if path.exists():
            with self._open(saved, path) as store:
                done = import_rows(store, file, num_classes=num_classes)
        else:
            seed = self.seed if self.seed is not None else seed_in(file)
            if seed is None:
                expected = "--seed: the file has no sample of the mode audit, whose seed it would be"
                raise InputError("The seed of the new file is not known", expected=expected, received=str(file))
            with create_store(path, saved.summary.sha256, seed=seed, overlap=self.overlap) as store:
                done = import_rows(store, file, num_classes=num_classes)
        print_result({"new": done.new, "known": done.known, "store": str(path)}, as_json=self.json)

    def _serve(self, saved: SavedGenerator, path: Path) -> None:
        token = self.token if self.token is not None else os.environ.get(TOKEN) or None
        for module in ("fastapi", "uvicorn", "prometheus_client"):
            import_extra(module, extra="serve")
        from gan.deployment.feedback.new_store import create_store
        from gan.deployment.serve.address import check_token, open_socket

        check_token(token)
        prepared = None
        with open_socket(self.host, self.port, has_token=token is not None) as listening:
            if not path.exists():  # a start that fails leaves no file, and so no seed whose samples were looked at
                with create_store(path, saved.summary.sha256, seed=self.seed, overlap=self.overlap) as store:
                    prepared = self._prepare(saved, store)
            with self._open(saved, path) as store:
                engine, plan, gold = prepared or self._prepare(saved, store)
                from gan.deployment.feedback.server import run_feedback
                from gan.deployment.feedback.session import FeedbackSession

                session = FeedbackSession(
                    store,
                    engine,
                    mode=self.mode,
                    plan=plan,
                    tolerance=self.tolerance,
                    gold=gold,
                    class_names=saved.class_names if len(saved.class_names) == engine.num_classes else (),
                    name=served_name(saved),
                )
                run_feedback(session, listening, token=token, ready=partial(self._announce, store.seed))

    def _prepare(self, saved: SavedGenerator, store: "FeedbackStore") -> "tuple[Engine, Plan, GoldImages | None]":
        classifier = self._find_classifier(store)
        engine = _load_engine(saved)
        return engine, self._plan(saved, store, engine, classifier), self._gold(saved, store, engine)

    def _announce(self, seed: int, address: str) -> None:
        print_result({"address": address, "seed": self._printed(seed)}, as_json=self.json)
        sys.stdout.flush()

    def _printed(self, seed: int) -> int | str:
        """Returns a seed as `--seed` takes it: a number that people read would be grouped by commas."""
        return seed if self.json else str(seed)

    def _find_classifier(self, store: "FeedbackStore") -> FoundClassifier | None:
        """Finds the classifier of a plan. None: none is needed."""
        from gan.deployment.feedback.strata import load_strata

        if self.mode != "stratified" or (self.classifier is None and load_strata(store) is not None):
            return None
        return models.find_classifier(self.classifier or CLASSIFIER)

    def _plan(
        self, saved: SavedGenerator, store: "FeedbackStore", engine: "Engine", classifier: FoundClassifier | None
    ) -> "Plan":
        if self.mode != "stratified":
            from gan.deployment.feedback.pictures import AuditPlan

            return AuditPlan(store.seed_of(self.mode), engine.num_classes)
        from gan.deployment.feedback.reading import find_plan

        dataset = _images(saved) if classifier is not None else None
        return find_plan(store, engine, classifier, dataset, num=self.num, tolerance=self.tolerance)

    def _gold(self, saved: SavedGenerator, store: "FeedbackStore", engine: "Engine") -> "GoldImages | None":
        if not self.gold:
            return None
        if not engine.num_classes:
            received = f"--gold {self.gold:g} for a generator without classes"
            raise InputError("Gold needs classes", expected="--gold 0", received=received)
        from gan.data.load import load_dataset
        from gan.deployment.feedback.reading import make_gold

        options = self.reading.over(saved.data, self.dataset or _images(saved).name)
        dataset = load_dataset(options.dataset, fallback="none", **options.loading)
        check_classes(saved.class_names, dataset.class_names)
        return make_gold(store, engine, dataset, self.gold)


def _load_engine(saved: SavedGenerator) -> "Engine":
    runtime.load_tensorflow(lean=True)
    runtime.start()
    from gan.sampling.generators import as_engine

    return as_engine(saved.file)


def _images(saved: SavedGenerator) -> KnownImages:
    """Returns what is known of the images that a generator draws. Raises `InputError` if nothing is."""
    if saved.images is None:
        expected = "a generator whose dataset is known: a run folder, a pretrained name or an exported one"
        raise InputError("Which images are real", expected=expected, received=str(saved.file.path))
    return saved.images
