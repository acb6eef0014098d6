"""Tests of runs that train on what people called wrong, and of runs that start from both networks of another."""

import json
import re
import shutil
import signal
from dataclasses import replace

import numpy as np
import pytest
from helpers.commands import UNWATCHED
from helpers.comparison import assert_same, assert_same_run, differs, values
from helpers.tiny import QUICK

from gan import build_discriminator, generate, load_discriminator, load_generator, train
from gan.cli.main import main
from gan.data import images
from gan.deployment.feedback.pictures import AuditPlan
from gan.deployment.feedback.store import FeedbackStore
from gan.errors import InputError
from gan.models.build import build_gan
from gan.models.critic import Critic
from gan.models.extra_fakes import RejectedSamples, of_mismatched_labels
from gan.saving import files, metadata, models, training_state
from gan.saving.rejected import read_rejected
from gan.training.feedback import load_feedback, make_feedback


def lines_of(run, *numbers, **changes):
    """Returns JSON lines about samples of seed 9 of a run's generator, each asked with the class index modulo 10."""
    sha = models.find_generator(run).sha256
    rows = [{"generator_sha256": sha, "seed": 9, "index": n, "label": n % 10, **changes} for n in numbers]
    return "".join(f"{json.dumps(row)}\n" for row in rows)


@pytest.fixture
def feedback(toy, tmp_path):
    """A file of JSON lines about three samples of `toy`."""
    file = tmp_path / "feedback.jsonl"
    file.write_text(lines_of(toy, 3, 700, 12), encoding="utf-8")
    return file


def options(toy, feedback):
    return ["train", *UNWATCHED, "--init-from", toy, "--feedback", feedback, "--feedback-share", "0.2"]


def test_the_pictures_are_the_samples_that_people_saw(toy, feedback):
    said = make_feedback(feedback, toy)
    generator = load_generator(toy)
    for number, picture in zip((3, 700, 12), said.images):
        [sample] = images.to_uint8(generate(generator, 1, seed=9, start=number))
        assert np.abs(picture.astype(int) - sample).max() <= 1  # batches of other sizes round differently
    assert said.lines.labels.tolist() == [3, 0, 2]
    assert (said.record.num, said.record.sha256) == (3, files.sha256(feedback))


def test_samples_of_several_seeds_keep_their_order(toy, tmp_path):
    file = tmp_path / "feedback.jsonl"
    parts = [lines_of(toy, 5, seed=2), lines_of(toy, 5), lines_of(toy, 6, seed=2)]
    file.write_text("".join(parts), encoding="utf-8")
    together = make_feedback(file, toy).images
    for part, picture in zip(parts, together):
        file.write_text(part, encoding="utf-8")
        assert np.abs(make_feedback(file, toy).images[0].astype(int) - picture).max() <= 1


@pytest.mark.slow  # the parts are tested below
def test_a_killed_run_with_feedback_resumes_to_the_same_result(fork_server, toy, feedback, tmp_path):
    """The generator that was judged and the file are gone by then: the run folder holds a copy."""
    whole, killed, start = tmp_path / "whole", tmp_path / "killed", tmp_path / "start"
    shutil.copytree(toy, start)
    status, printed = fork_server.run(*options(start, feedback), "--output", whole, output=tmp_path / "1")
    assert status == 0, printed
    assert "feedback: 3 samples that people called wrong are 20 % of D's loss" in printed
    assert "random weights" not in printed
    record = metadata.load(whole)
    assert (record.feedback.num, record.feedback.sha256) == (3, files.sha256(feedback))
    assert record.feedback.generator_sha256 == files.sha256(toy / "generator.keras")
    assert (record.config.feedback, record.config.feedback_share) == (str(feedback), 0.2)
    assert (whole / "feedback.jsonl").read_bytes() == feedback.read_bytes()
    arguments = [*options(start, feedback), "--output", killed]
    assert fork_server.run(*arguments, output=tmp_path / "2", at_step=14)[0] == -signal.SIGKILL
    shutil.rmtree(start)
    feedback.unlink()
    status, printed = fork_server.run("train", "--resume", killed, output=tmp_path / "3")
    assert status == 0, printed
    assert "resuming from interval 2 of 4" in printed
    assert_same_run(killed, whole)
    assert metadata.load(killed).feedback == record.feedback

    # Feedback changes the weights, and a changed copy is refused.
    plain = tmp_path / "plain"
    assert fork_server.run("train", *UNWATCHED, "--init-from", toy, "--output", plain, output=tmp_path / "4")[0] == 0
    assert differs(values(load_generator(plain)), values(load_generator(whole)))
    assert metadata.load(plain).feedback is None
    metadata.save(killed, replace(metadata.load(killed), result=None, sha256=None))
    for name in ("feedback.jsonl", "feedback.npy"):
        kept = (killed / name).read_bytes()
        (killed / name).write_bytes(kept[:-1])
        status, printed = fork_server.run("train", "--resume", killed, output=tmp_path / "5")
        assert status == 2
        assert re.search(rf"The feedback has changed since the start of the run.*{name}", printed)
        (killed / name).write_bytes(kept)
    status, printed = fork_server.run("train", "--resume", killed, "--feedback", "other", output=tmp_path / "6")
    assert status == 2
    assert "Options cannot change on resume" in printed


@pytest.mark.slow  # test_a_copy_that_has_changed_is_refused is the stand-in
def test_a_run_killed_in_its_first_interval_needs_the_generator_that_was_judged(fork_server, toy, feedback, tmp_path):
    run, start = tmp_path / "run", tmp_path / "start"
    shutil.copytree(toy, start)
    arguments = [*options(start, feedback), "--output", run]
    assert fork_server.run(*arguments, output=tmp_path / "1", at_step=4)[0] == -signal.SIGKILL
    assert training_state.latest(run) == (None, [])
    shutil.copyfile(models.find_generator("mnist").path, start / "generator.keras")
    status, printed = fork_server.run("train", "--resume", run, output=tmp_path / "2")
    assert status == 2
    assert "The generator of init_from has changed since the start of the run" in printed
    shutil.copyfile(toy / "generator.keras", start / "generator.keras")
    status, printed = fork_server.run("train", "--resume", run, output=tmp_path / "3")
    assert status == 0, printed
    assert "starting again from step 0" in printed


def test_a_copy_that_has_changed_is_refused(toy, feedback, tmp_path):
    said, run, start = make_feedback(feedback, toy), tmp_path / "run", tmp_path / "start"
    run.mkdir()
    said.save(run)
    shutil.copytree(toy, start)
    for checkpoint in (None, str(start)):
        found = load_feedback(run, said.record, checkpoint)
        np.testing.assert_array_equal(found.images, said.images)
        assert (found.record, found.lines.content) == (said.record, feedback.read_bytes())
    for name in ("feedback.jsonl", "feedback.npy"):
        kept = (run / name).read_bytes()
        for change in (lambda file: file.write_bytes(kept[:-1]), lambda file: file.unlink()):  # noqa: B023
            change(run / name)
            with pytest.raises(InputError, match=f"The feedback has changed since the start of the run.*{name}"):
                load_feedback(run, said.record, None)
        (run / name).write_bytes(kept)
    shutil.copyfile(models.find_generator("mnist").path, start / "generator.keras")
    with pytest.raises(InputError, match="The generator of init_from has changed since the start of the run"):
        load_feedback(run, said.record, str(start))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (lambda toy: "", "No feedback in this file"),
        (lambda toy: lines_of(toy, 3) + "{\n", "Damaged .*line 2"),
        (lambda toy: lines_of(toy, 3, 4, generator_sha256="ab" * 32), "The feedback is about another generator"),
        (lambda toy: lines_of(toy, 3) + lines_of(toy, 4, label=10), "a class from 0 to 9.*label 10 in line 2"),
        (lambda toy: lines_of(toy, 3, label=None), "label null in line 1"),
        (lambda toy: lines_of(toy, 3, 4, 3), "occurs twice"),
        (lambda toy: lines_of(toy, 3, mood=1), "mood"),
    ],
)
def test_bad_feedback_is_refused_in_one_line_and_nothing_is_written(toy, tmp_path, text, message):
    file = tmp_path / "feedback.jsonl"
    file.write_text(text(toy), encoding="utf-8")
    with pytest.raises(InputError, match=message) as error:
        train(replace(QUICK, init_from=str(toy), feedback=str(file)), output=tmp_path / "run")
    assert "\n" not in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["feedback.jsonl"]


def test_feedback_needs_its_generator_and_a_share():
    with pytest.raises(InputError, match="--init-from with the generator that was judged"):
        replace(QUICK, feedback="x.jsonl")
    for share in (0.0, 1.0, float("nan"), True):
        with pytest.raises(InputError, match="`feedback_share`"):
            replace(QUICK, feedback_share=share)


@pytest.mark.parametrize(
    ("words", "label", "message"),
    [
        ((), 12, "A label of {file} does not fit the generator. Expected a class from 0 to 9. Received: label 12"),
        ((), None, "A label of {file} does not fit the generator"),
        ((), 2**31, "Expected a whole number from 0 to 2^31 - 1"),
        (("--feedback-share", "0.95"), 3, "leave nothing for the samples of G. Expected --feedback-share and"),
        (("--feedback-share", "0.92"), 3, "Received: 0.92 and 0.08"),
        (("--feedback-share", "0.5", "--mismatched-labels", "0.5"), 3, "Received: 0.5 and 0.5"),
        (("--feedback-share", "0.95", "--mismatched-labels", "0.04"), 3, None),
        (("--feedback-share", "0.91"), 3, None),
    ],
)
def test_a_dry_run_refuses_what_the_run_refuses(words, label, message, tmp_path, capsys):
    """The pretrained generator has ten classes, so 0.08 of D's loss are mismatched labels."""
    file = tmp_path / "lines.jsonl"
    file.write_text(lines_of("mnist", 3, label=label), encoding="utf-8")
    start = ["--init-from", "mnist", "--latent-dim", "64"]
    command = ["train", "--dry-run", *start, "--feedback", str(file), *words]
    assert main(command) == (0 if message is None else 2)
    printed = capsys.readouterr()
    if message is None:
        assert json.loads(printed.out)["feedback"] == str(file)
        return
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert message.format(file=file) in line


def test_a_share_without_feedback_has_no_effect_and_is_refused(capsys):
    assert main(["train", "--dry-run", "--feedback-share", "0.5"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "The share of the feedback has no effect" in line
    assert "--feedback-share 0.5 alone" in line


@pytest.mark.parametrize("classes", [0, 10])
def test_shares_are_refused_early_exactly_if_the_loss_refuses_them(classes):
    critic, refused = Critic(build_discriminator((8, 8, 1), classes, "mlp", 1), None, 0), []
    for mismatched in (None, 0.0, 0.08, 0.5) if classes else (None, 0.0):
        optimization = replace(QUICK.optimization, mismatched_labels=mismatched)
        for share in (0.1, 0.5, 0.9, 0.92, 0.95):
            config = replace(QUICK, init_from="mnist", feedback="x", feedback_share=share, optimization=optimization)
            rejected = RejectedSamples(np.zeros((1, 8, 8, 1)), [0] if classes else None, share=share)
            fakes = [*of_mismatched_labels(mismatched, classes), rejected]
            early = is_refused(config.check_feedback, classes)
            assert early == is_refused(critic.compile, None, [], fakes, 1), (mismatched, share)
            refused.append(early)
    assert any(refused) == (classes > 0)
    assert not all(refused)


def is_refused(call, *arguments):
    try:
        call(*arguments)
    except InputError as error:
        return "leave nothing for the samples of G" in str(error)
    return False


@pytest.mark.slow  # the test of the command below is the stand-in
def test_the_file_may_be_an_argument_of_train(toy, feedback, tmp_path):
    other = tmp_path / "other.jsonl"
    shutil.copyfile(feedback, other)
    run = train(replace(QUICK, init_from=str(toy), feedback="judgements.sqlite"), feedback=other, output=tmp_path / "r")
    record = metadata.load(run.folder)
    assert record.config.feedback == "judgements.sqlite"
    assert record.feedback.sha256 == files.sha256(other)
    assert read_rejected(run.folder / "feedback.jsonl").indices.tolist() == [3, 700, 12]


def test_a_run_starts_from_both_networks_of_another(toy, digits):
    said = []
    gan = build_gan(replace(QUICK, init_from=str(toy)), digits, said.append)
    assert_same(values(gan.generator), values(load_generator(toy)))
    assert_same(values(gan.generator_ema), values(gan.generator))
    assert_same(values(gan.discriminator), values(load_discriminator(toy)))
    assert said == [f"init_from: the discriminator starts with the weights of {toy / 'discriminator.keras'}"]


def test_a_line_tells_when_the_discriminator_is_not_taken(toy, digits, tmp_path):
    start, said = tmp_path / "start", []
    shutil.copytree(toy, start)
    wider = replace(QUICK, model=replace(QUICK.model, d_width=8), init_from=str(start))
    build_gan(wider, digits, said.append)
    assert re.fullmatch(
        r"init_from: .*discriminator.keras has .*, not .*, so the discriminator starts with .*", said[0]
    )
    (start / "discriminator.keras").unlink()
    build_gan(replace(QUICK, init_from=str(start)), digits, said.append)
    assert re.fullmatch(r"init_from: no discriminator.keras beside .*generator.keras, so the discriminator .*", said[1])
    shutil.copyfile(toy / "discriminator.keras", start / "discriminator.keras")
    (start / "generator.keras").rename(start / "other.keras")  # of which run D is, is not known
    gan = build_gan(replace(QUICK, init_from=str(start / "other.keras")), digits, said.append)
    assert "no discriminator.keras" in said[2]
    assert differs(values(gan.discriminator), values(load_discriminator(toy)))
    (start / "other.keras").rename(start / "generator.keras")
    (start / "discriminator.keras").write_bytes(b"damaged")
    with pytest.raises(InputError, match="damaged"):
        build_gan(replace(QUICK, init_from=str(start)), digits)


def judged(toy, folder, *said):
    """Returns a file of `gan feedback` in which one judge said this about the first samples of the audit."""
    plan = AuditPlan(4, 10)
    with FeedbackStore(folder / "judgements.sqlite", models.find_generator(toy).sha256, seed=4) as store:
        for one in said:
            shown = store.next_picture("judge", "audit", plan)
            store.judge(shown.token, "judge", one, 500, "audit")
        return store.path, plan


@pytest.mark.slow  # what the command refuses, below, is the stand-in
def test_the_command_takes_the_file_of_gan_feedback(fork_server, toy, tmp_path):
    store, plan = judged(toy, tmp_path, "right", "wrong", "unsure", "wrong")
    status, printed = fork_server.run(*options(toy, store), "--output", tmp_path / "run", output=tmp_path / "1")
    assert status == 0, printed
    found = read_rejected(tmp_path / "run" / "feedback.jsonl")
    assert (found.seeds.tolist(), found.indices.tolist()) == ([4, 4], [1, 3])
    assert found.labels.tolist() == [plan.picture(place).label for place in (1, 3)]
    record = metadata.load(tmp_path / "run")
    assert (record.config.feedback, record.feedback.num) == (str(store), 2)


def test_the_command_refuses_feedback_without_a_wrong_sample_or_of_another_generator(fork_server, toy, tmp_path):
    store, _ = judged(toy, tmp_path, "right")
    run = ["--output", tmp_path / "run"]
    status, printed = fork_server.run(*options(toy, store), *run, output=tmp_path / "1")
    assert status == 2
    assert "No sample to train on" in printed
    assert str(store) in printed
    mnist = [*options("mnist", store), "--latent-dim", "64"]
    status, printed = fork_server.run(*mnist, *run, output=tmp_path / "2")
    assert status == 2
    assert "Judgements of another generator" in printed
    lines = tmp_path / "lines.jsonl"
    lines.write_text(lines_of(toy, 3), encoding="utf-8")
    mnist = [*options("mnist", lines), "--latent-dim", "64"]
    status, printed = fork_server.run(*mnist, *run, output=tmp_path / "3")
    assert status == 2
    assert "The feedback is about another generator" in printed
    assert not (tmp_path / "run").exists()
