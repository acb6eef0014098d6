"""Tiers: the table, its edges, what is known of the error rate of a generator, and the file that is chosen."""

import ast
import math
import random
import re
import shlex
import shutil
from dataclasses import replace
from fractions import Fraction

import pytest
from helpers.artifacts import row, write_table
from helpers.commands import ROOT
from helpers.serving import save_generator, write_report

from gan.config import PRESETS, DataConfig
from gan.deployment import choose_tier, load_tiers
from gan.deployment.feedback.pictures import AuditPlan, GoldPlan, StratifiedPlan
from gan.deployment.feedback.store import FeedbackStore
from gan.deployment.feedback.strata import save_plan
from gan.deployment.feedback.summary import summarize
from gan.deployment.table import Artifact
from gan.deployment.tiers import choose
from gan.deployment.tiers.evidence import RateBound, find_measured, is_same_data
from gan.errors import InputError
from gan.saving import files, metadata
from gan.saving.engines.card import ExportCard, GeneratorVerdict
from gan.saving.metadata import RunDataset
from gan.saving.saved_generator import find_saved
from gan.tolerance import Confirmation, ErrorRate, confidence_sequence, wilson_interval

NAMES = ["unattended", "monitored", "reviewed", "research"]
EDGES = [Fraction(1, 10), Fraction(1), Fraction(3)]
CARD = ExportCard(
    name="tiny",
    format="onnx",
    weights="float32",
    latent_dim=4,
    num_classes=3,
    image_shape=(8, 8, 1),
    generator_sha256="ab",
    content_sha256="cd",
    max_difference=0.0,
    compared=64,
)
VERDICT = GeneratorVerdict(
    verdict="within",
    tolerance=0.02,
    error_rate=0.005,
    error_rate_lower=0.001,
    error_rate_upper=0.01,
    num=1_000,
    dataset="mnist",
)


@pytest.fixture(scope="module")
def generator(tmp_path_factory):
    """A run folder with a small generator."""
    return save_generator(tmp_path_factory.mktemp("generator") / "tiny")


@pytest.fixture
def run(generator, tmp_path, monkeypatch):
    """A copy of that folder, with a report of 10 of 1,000 wrong. It is in the working directory."""
    shutil.copytree(generator, tmp_path / "tiny")
    write_report(tmp_path / "tiny")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "tiny"


def carded(run, monkeypatch, card):
    """Makes the generator of a folder look like an exported one with this card, and returns it."""
    saved = replace(find_saved(run), card=card)
    monkeypatch.setattr(choose, "find_saved", lambda given: saved)
    return saved


# The default table, and the edges of its tiers


def test_the_default_table_has_the_four_tiers_and_their_edges():
    table = load_tiers()
    assert [tier.name for tier in table.tier] == NAMES
    assert [tier.above for tier in table.tier] == [0, 0.1, 1, 3]
    assert [tier.up_to for tier in table.tier] == [0.1, 1, 3, None]
    assert table.last.limit(0.02) is None
    assert [tier.limit(0.07) for tier in table.tier[:3]] == [0.007, 0.07, 0.21]
    assert table.tier[2].limit(0.5) == 1


@pytest.mark.parametrize("tolerance", ["0.01", "0.02", "0.03", "0.07", "0.009", "0.3", "1e-05", "0.123456789"])
def test_an_edge_belongs_to_the_lower_tier_and_the_next_number_does_not(tolerance):
    table = load_tiers()
    for number, multiple in enumerate(EDGES):
        edge = float(multiple * Fraction(tolerance))
        assert table.tier_of(edge, float(tolerance)).name == NAMES[number]
        assert table.tier_of(math.nextafter(edge, 2), float(tolerance)).name == NAMES[number + 1]
        assert table.tier_of(math.nextafter(edge, 0), float(tolerance)).name == NAMES[number]


def test_edges_are_those_of_exact_arithmetic_where_floats_are_not():
    table, rng, differs = load_tiers(), random.Random(0), 0
    for _ in range(500):
        tolerance = Fraction(rng.randrange(1, 10**4), 10**5)
        for number, multiple in enumerate(EDGES):
            rate, allowed = float(multiple * tolerance), float(tolerance)
            assert table.tier_of(rate, allowed).name == NAMES[number], (rate, allowed)
            differs += rate > float(multiple) * allowed
    assert differs > 10  # a comparison of floats would be wrong for some of them


def test_a_rate_of_zero_is_in_the_first_tier_and_one_in_the_last():
    assert load_tiers().tier_of(0.0, 0.01).name == "unattended"
    assert load_tiers().tier_of(1.0, 0.01).name == "research"
    assert load_tiers().tier_of(1.0, 1.0).name == "monitored"


# A table of one's own

OWN = """
[[tier]]
name = "ship"
above = 0
up_to = 1
allowed = "everything"
watch = "an audit"
who = "ann"
audit = 0.2
commands = ["gan serve {artifact} --audit {audit} '#' '{run}'"]

[[tier]]
name = "stop"
above = 1
allowed = "nothing"
watch = "nobody"
who = "ben"
audit = 0
commands = []
"""


def refused(folder, text):
    """Returns the error for a table."""
    path = folder / "own.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as raised:
        load_tiers(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_table_of_ones_own_is_read(tmp_path):
    (tmp_path / "own.toml").write_text(OWN, encoding="utf-8")
    table = load_tiers(str(tmp_path / "own.toml"))
    assert [tier.name for tier in table.tier] == ["ship", "stop"]
    (line,) = table.tier[0].command_lines(run="it's", artifact="a b", store="s", tolerance=0.02)
    assert shlex.split(line) == ["gan", "serve", "a b", "--audit", "0.2", "#", "it's"]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("above = 1", "above = 2", "A hole between tiers in"),
        ("above = 1", "above = 0.5", "Tiers overlap, or are not in order in"),
        ("above = 0", "above = 0.1", "A hole between tiers in"),
        ('allowed = "nothing"', 'up_to = 3\nallowed = "nothing"', "A hole: no tier for more than 3"),
        ("up_to = 1\n", "", "A tier after one without an end in"),
        ("up_to = 1\n", "up_to = 0\n", "An empty tier in"),
        ("up_to = 1\n", "up_to = -1\n", "Bad `tier[0].up_to`"),
        ("up_to = 1\n", "up_to = nan\n", "Bad `tier[0].up_to`"),
        ("up_to = 1\n", "up_to = inf\n", "Bad `tier[0].up_to`"),
        ("up_to = 1\n", 'up_to = "1"\n', "Bad `tier[0].up_to`"),
        ("up_to = 1\n", "up_to = true\n", "Bad `tier[0].up_to`"),
        ("up_to = 1\n", "up_to = 2026-01-01\n", "Bad `tier[0].up_to`"),
        ('name = "stop"', 'name = "ship"', "Two tiers of one name in"),
        ('name = "stop"', 'name = ""', "Bad `tier[1].name`"),
        ('name = "stop"', 'name = "a\\nb"', "Bad `tier[1].name`"),
        ('who = "ben"\n', "", "Bad `tier[1].who`"),
        ('who = "ben"', 'who = "ben"\nwhom = "us"', "`tier[1].whom`"),
        ('who = "ben"', 'who = "ben"\nwho = "us"', "Damaged table of tiers"),
        ("audit = 0.2", "audit = 1.2", "Bad `audit` (`tier[0]`)"),
        ("audit = 0.2", "audit = 0", "Bad `audit` (`tier[0]`)"),
        ("{artifact}", "{artefact}", "Bad `commands` (`tier[0]`)"),
        ("{artifact}", "{artifact", "Bad `commands` (`tier[0]`)"),
        ("{artifact}", "{artifact.path}", "Bad `commands` (`tier[0]`)"),
        ("{artifact}", "{artifact!r}", "Bad `commands` (`tier[0]`)"),
        ("{artifact}", "{}", "Bad `commands` (`tier[0]`)"),
        ("'{run}'", "'{run}", "Bad `commands` (`tier[0]`)"),
        ("'{run}'", "| tee log", "Bad `commands` (`tier[0]`)"),
        ("'{run}'", "&& gan info {run}", "so no & outside of single quotes"),
        ("commands = []", 'commands = ["  "]', "Bad `commands` (`tier[1]`)"),
        ("[[tier]]", "[tier]", "Damaged table of tiers"),
        ("[[tier]]\n", "[[tiers]]\n", "Bad `tier`"),
        (OWN, "", "Bad `tier`"),
        (OWN, "tier = []", "Bad `tier`"),
        (OWN, f"tier = {'[' * 5_000}{']' * 5_000}", "Damaged table of tiers"),
        (OWN, "tier = ", "Damaged table of tiers"),
    ],
)  # fmt: skip
def test_a_wrong_table_is_refused_with_the_place(before, after, said, tmp_path):
    assert before in OWN
    assert said in refused(tmp_path, OWN.replace(before, after))


@pytest.mark.parametrize(
    "command",
    ["a | b", "a || b", "a && b", "a & b", "a; b", "a > b", "a < b", "(a)", "a $B", 'a "$B"', "a `b`", 'a "b `c`"',
     "a *", "a b?", "a [bc]", "a # b", "a ~/b", "! a", "A=1 b", "a 'b'|c", 'a "b|"|c', r"a \\|b", 'a "b$"',
     r'a "\$b" | "c"'],
)  # fmt: skip
def test_a_command_is_not_for_a_shell(command):
    with pytest.raises(InputError, match="one command without a shell"):
        replace(load_tiers().last, commands=(command,))


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("a '&&' '|' b", ["a", "&&", "|", "b"]),
        ('a "b && c" d', ["a", "b && c", "d"]),
        (r"a \| \$b", ["a", "|", "$b"]),
        (r'a "\b \" | c"', ["a", r'\b " | c']),
        ("a b#c d~e --f=1 {run}", ["a", "b#c", "d~e", "--f=1", "x | y"]),
        ("a 'it'\"'\"'s # not'", ["a", "it's # not"]),
    ],
)
def test_what_is_quoted_in_a_command_stays_a_word(command, words):
    tier = replace(load_tiers().last, commands=(command,))
    (line,) = tier.command_lines(run="x | y", artifact="", store="", tolerance=0.1)
    assert shlex.split(line) == words


def test_tiers_in_another_order_are_refused(tmp_path):
    first, second = (f"[[tier]]{part}" for part in OWN.split("[[tier]]")[1:])
    assert "A hole between tiers" in refused(tmp_path, second + first)


def test_a_file_that_is_no_text_or_not_there_is_refused(tmp_path):
    (tmp_path / "own.toml").write_bytes(b"\xff\xfe")
    for path in (tmp_path / "own.toml", tmp_path / "none.toml", tmp_path):
        with pytest.raises(InputError, match="No such table of tiers"):
            load_tiers(path)


# What is known of a generator


def test_the_report_beside_a_generator_decides(run):
    found = choose_tier(run, 0.02)
    expected = RateBound(source="report", error_rate=0.01, lower=0.0, upper=0.0, num=1_000)
    lower, upper = ErrorRate(10, 1_000).interval
    assert found.bounds == (replace(expected, lower=lower, upper=upper),)
    assert (found.tier.name, found.verdict, found.unmet, found.limit) == ("monitored", "within", (), 0.02)
    assert found.commands[0] == f"gan serve {run} --audit 0.05 --tolerance 0.02 --on-exceeded stop"


@pytest.mark.parametrize(
    ("tolerance", "tier", "verdict"),
    [(0.2, "unattended", "within"), (0.01, "reviewed", "undecided"), (0.005, "research", "exceeded")],
)
def test_each_tier_can_be_reached(tolerance, tier, verdict, run):
    found = choose_tier(run, tolerance)
    assert (found.tier.name, found.verdict) == (tier, verdict)
    assert (found.limit is None) == (tier == "research")


@pytest.mark.parametrize(("upper", "tier"), [(0.001, 0), (0.0011, 1), (0.01, 1), (0.0101, 2), (0.03, 2), (0.0301, 3)])
def test_the_edges_hold_for_a_bound_that_was_measured(upper, tier, run, monkeypatch):
    (run / "report.json").unlink()
    card = replace(CARD, verdict=replace(VERDICT, tolerance=1, error_rate_lower=0.0, error_rate_upper=upper))
    carded(run, monkeypatch, card)
    assert choose_tier(run, 0.01).tier.name == NAMES[tier]


@pytest.mark.parametrize("tolerance", [0, -0.1, 1.1, math.nan, math.inf])
def test_a_tolerance_out_of_range_is_refused(tolerance, run):
    with pytest.raises(InputError, match="Bad `tolerance`"):
        choose_tier(run, tolerance)


@pytest.mark.parametrize("report", ["none", "of another file", "damaged", "without a rate"])
def test_without_a_report_of_this_file_the_command_that_makes_one_is_named(report, run):
    if report == "none":
        (run / "report.json").unlink()
    elif report == "damaged":
        (run / "report.json").write_text("{", encoding="utf-8")
    elif report == "of another file":
        content = files.read_json(run / "report.json")
        content["checkpoint"]["sha256"] = "0" * 64
        files.write_json(run / "report.json", content)
    else:
        write_report(run)
        content = files.read_json(run / "report.json")
        content["metrics"]["error_rate"]["value"] = None
        files.write_json(run / "report.json", content)
    with pytest.raises(InputError, match="The error rate is not known") as raised:
        choose_tier(run, 0.02)
    needed = " --classifier FOLDER" if report == "without a rate" else ""
    assert f"gan evaluate {run}{needed}. " in str(raised.value)
    with pytest.raises(InputError) as raised:
        choose_tier(run / "generator.keras", 0.02)
    assert f"gan evaluate {run}/generator.keras --output {run}{needed}. " in str(raised.value)


@pytest.mark.parametrize("coverage", [0.5, 0.759, None])
def test_few_errors_do_not_make_up_for_a_lack_of_coverage(coverage, run):
    write_report(run, wrong=0, coverage=coverage)
    found = choose_tier(run, 0.5)
    assert (found.tier.name, found.verdict) == ("research", "undecided")
    assert found.unmet[0].startswith("the coverage is")
    assert found.artifact is None


def test_just_enough_coverage_is_enough(run):
    write_report(run, wrong=0, coverage=0.76)  # 0.8 of that of real images, 0.95
    assert choose_tier(run, 0.5).tier.name == "unattended"


def test_a_confirmation_decides_instead_of_the_samples_of_its_report(run):
    confirmed = Confirmation(attempt=2, interval=3, wrong=1, num=4_000, confidence=0.975, verdict="within")
    write_report(run, wrong=40, confirmed=confirmed)
    found = choose_tier(run, 0.02)
    assert found.decided_by.source == "confirmation"
    assert found.decided_by.upper == wilson_interval(1, 4_000, 0.975)[1]
    assert (found.tier.name, found.verdict) == ("unattended", "within")
    write_report(run, wrong=40, confirmed=replace(confirmed, verdict="undecided", unmet=("class 3 is above",)))
    found = choose_tier(run, 0.02)
    assert (found.tier.name, found.unmet) == ("research", ("class 3 is above",))


def test_a_report_of_another_dataset_is_refused(run):
    used = RunDataset(name="mnist", image_shape=(8, 8, 1), num_classes=3, train=9, validation=9, test=9)
    record = metadata.new_metadata(
        PRESETS["mnist"], used, device="", total_steps=5, preset="mnist", probe=None, given=()
    )
    metadata.save(run, record)
    assert choose_tier(run, 0.02).dataset == "mnist"
    write_report(run, dataset="fashion_mnist")
    with pytest.raises(InputError, match="another dataset than the training") as raised:
        choose_tier(run, 0.02)
    assert f"gan evaluate {run}. Received: one for fashion_mnist" in str(raised.value)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("mnist", "mnist", True),
        ("mnist", "mnist5k", True),
        ("mnist5k", "mnist", True),
        ("stacked-mnist5k", "stacked-mnist", True),
        ("mnist", "fashion_mnist", False),
        ("stacked-mnist", "mnist5k", False),
        ("mnist5k", "mnist5k", True),
    ],
)
def test_the_digits_of_the_package_stand_for_mnist(one, other, same):
    assert is_same_data(one, other) is same


# The card of an exported file


def test_a_card_counts_without_a_report(run, monkeypatch):
    (run / "report.json").unlink()
    carded(run, monkeypatch, replace(CARD, verdict=VERDICT))
    found = choose_tier(run, 0.02)
    assert (found.tier.name, found.verdict, found.decided_by.source) == ("monitored", "within", "card")


def test_a_report_beside_an_exported_file_counts_more_than_its_card(run, monkeypatch):
    carded(run, monkeypatch, replace(CARD, verdict=VERDICT))
    assert choose_tier(run, 0.02).decided_by.source == "report"


@pytest.mark.parametrize("card", [CARD, replace(CARD, verdict=VERDICT, weights="int8")], ids=["no verdict", "rounded"])
def test_a_card_that_says_nothing_about_this_file_is_refused(card, run, monkeypatch):
    (run / "report.json").unlink()
    carded(run, monkeypatch, card)
    with pytest.raises(InputError, match="The error rate is not known") as raised:
        choose_tier(run, 0.02)
    assert "--output" in str(raised.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"verdict": "undecided"}, "the coverage is too low"),
        ({"verdict": "undecided", "tolerance": 0.005}, "the card does not tell the coverage: gan evaluate"),
        ({"verdict": "exceeded", "tolerance": 0.0001}, "the card does not tell the coverage: gan evaluate"),
    ],
)
def test_the_coverage_behind_a_card_is_not_lost(changes, said, run, monkeypatch):
    (run / "report.json").unlink()
    carded(run, monkeypatch, replace(CARD, verdict=replace(VERDICT, **changes)))
    found = choose_tier(run, 0.02)
    assert found.tier.name == "research"
    assert found.unmet[0].startswith(said)


def test_a_classifier_that_errs_on_real_images_does_not_decide_by_a_card(run, monkeypatch):
    """82 % of the samples are not recognized, and half of the real images: the same verdict as by the report."""
    (run / "report.json").unlink()
    wrong = {"error_rate": 0.82, "error_rate_lower": 0.64, "error_rate_upper": 0.92, "num": 28}
    card = replace(VERDICT, verdict="undecided", real_rate=ErrorRate(14, 28), **wrong)
    carded(run, monkeypatch, replace(CARD, verdict=card))
    found = choose_tier(run, 0.02)
    assert found.verdict == "undecided"
    assert "the classifier is wrong on 50 % of 28 real test images" in found.unmet
    low = replace(VERDICT, verdict="undecided", real_rate=ErrorRate(14, 28))
    carded(run, monkeypatch, replace(CARD, verdict=low))
    assert not any("too low" in reason for reason in choose_tier(run, 0.02).unmet)


def test_a_report_of_other_images_with_the_same_last_part_of_the_path_is_refused(run):
    own = RunDataset(name="/a/pictures", image_shape=(8, 8, 1), train=9, train_sha256="a")
    record = metadata.new_metadata(PRESETS["mnist"], own, device="", total_steps=5, preset=None, probe=None)
    saved = replace(find_saved(run), record=record)
    for name, digest in (("/b/pictures", "a"), ("/b/pictures", None)):
        write_report(run, dataset=name, train_sha256=digest)
        assert find_measured(saved, str(run), 0.02).dataset == "pictures"
    for name in ("/b/pictures", "/a/pictures", "pictures"):
        write_report(run, dataset=name, train_sha256="b")
        with pytest.raises(InputError, match="another dataset than the training"):
            find_measured(saved, str(run), 0.02)
    part = replace(saved, record=replace(record, dataset=replace(own, name="mnist")))
    write_report(run, dataset="mnist", train_sha256="b")
    assert find_measured(part, str(run), 0.02).dataset == "mnist"


def test_a_card_of_another_dataset_is_refused(run, monkeypatch):
    (run / "report.json").unlink()
    data = DataConfig(dataset="fashion_mnist")
    saved = carded(run, monkeypatch, replace(CARD, verdict=VERDICT, data=data))
    with pytest.raises(InputError, match="another dataset than the training"):
        find_measured(saved, str(run), 0.02)


# People


def judge(run, said, *, store="feedback.sqlite"):
    """Records judgements of the generator of a folder."""
    with FeedbackStore(run / store, find_saved(run).summary.sha256, seed=1, overlap=0.0) as judgements:
        for word in said:
            shown = judgements.next_picture("ann", "audit", AuditPlan(1, 3))
            if word is not None:
                judgements.judge(shown.token, "ann", word, 100, "audit")


def test_the_larger_of_two_bounds_decides(run):
    judge(run, ["right"] * 60)
    found = choose_tier(run, 0.2)
    report, people = found.bounds
    assert (people.source, people.num, people.error_rate) == ("people", 60, 0.0)
    assert people.upper == confidence_sequence(0, 60)[1] > report.upper
    assert found.decided_by == people
    assert (found.tier.name, found.verdict) == ("monitored", "within")
    assert choose_tier(run, 0.05).verdict == "undecided"


def test_the_bound_of_the_report_decides_if_it_is_the_larger_one(run):
    write_report(run, wrong=400)
    judge(run, ["right"] * 60)
    found = choose_tier(run, 0.05)
    assert (found.decided_by.source, found.verdict) == ("report", "exceeded")


def test_pictures_that_were_shown_and_not_called_right_may_be_wrong(run):
    judge(run, ["right"] * 50 + ["unsure"] * 3 + ["wrong"] * 2 + [None])
    people = choose_tier(run, 0.2).bounds[1]
    assert people.num == 56
    assert people.lower == confidence_sequence(2, 56)[0]
    assert people.upper == confidence_sequence(6, 56)[1]


def test_real_images_that_were_judged_correct_the_bounds(run):
    with FeedbackStore(run / "feedback.sqlite", find_saved(run).summary.sha256, seed=1, overlap=0.0) as judgements:
        gold = GoldPlan(judgements.seed_of("gold"), 0.5, [0, 1, 2] * 100, 3)
        for _ in range(200):
            shown = judgements.next_picture("ann", "audit", AuditPlan(judgements.seed_of("audit"), 3), gold)
            judgements.judge(shown.token, "ann", shown.picture.truth or "right", 100, "audit")
        corrected = summarize(judgements, "audit", 0.05).corrected
    found = choose_tier(run, 0.05)
    people = found.bounds[1]
    assert (people.lower, people.upper) == (corrected.lower, corrected.upper)
    assert 0.05 < people.upper < 0.2
    assert found.decided_by == people
    assert corrected.more_gold > 0
    assert found.notes[1].startswith(f"{corrected.more_gold:,} more real images")


@pytest.mark.parametrize("random", [0, 5, 40])
@pytest.mark.parametrize("planned", [0, 3, 12])
def test_each_mode_counts_once_a_picture_was_judged(random, planned, run):
    """So nobody who has seen the result of one mode can make it disappear by finishing, or not finishing, the other."""
    with FeedbackStore(run / "feedback.sqlite", find_saved(run).summary.sha256, seed=1, overlap=0.0) as judgements:
        plan = StratifiedPlan(judgements.seed_of("stratified"), 3, 100, (4, 7), 10)
        save_plan(judgements, plan, "ab")
        expected = []
        for mode, source, pictures, count in (
            ("audit", "people", AuditPlan(judgements.seed_of("audit"), 3), random),
            ("stratified", "people_planned", plan, planned),
        ):
            for _ in range(count):
                shown = judgements.next_picture("ann", mode, pictures)
                judgements.judge(shown.token, "ann", "right", 100, mode)
            if count:
                said = summarize(judgements, mode, 0.2)
                expected.append((source, said.lower, said.upper, said.counts.n))
    found = choose_tier(run, 0.2)
    people = found.bounds[1:]
    assert [(bound.source, bound.lower, bound.upper, bound.num) for bound in people] == expected
    assert found.decided_by.upper == max(bound.upper for bound in found.bounds)
    left = f"{12 - planned} pictures of the plan are not judged yet, and count against the generator"
    assert (left in found.notes) == (planned == 3)


def test_judgements_in_another_file_are_given(run):
    judge(run, ["wrong"] * 30, store="elsewhere.sqlite")
    assert len(choose_tier(run, 0.02).bounds) == 1
    found = choose_tier(run, 0.02, store=run / "elsewhere.sqlite")
    assert (found.tier.name, found.verdict, found.decided_by.source) == ("research", "exceeded", "people")


def test_the_command_names_the_file_that_counts(run):
    assert choose_tier(run, 0.02).commands[1] == f"gan feedback {run} --store {run}/feedback.sqlite"
    judge(run, ["right"], store="elsewhere.sqlite")
    found = choose_tier(run, 0.5, store=run / "elsewhere.sqlite")
    assert found.tier.name == "reviewed"
    assert found.commands[1] == f"gan feedback {run} --store {run}/elsewhere.sqlite"
    assert choose_tier("mnist", 0.02).commands[1] == "gan feedback mnist --store mnist.sqlite"


def test_the_file_that_the_printed_command_writes_counts(run):
    """For a generator without a folder of its own, it is in the working directory."""
    command = choose_tier("mnist", 0.02).commands[1]
    with FeedbackStore(shlex.split(command)[-1], find_saved("mnist").summary.sha256, seed=1, overlap=0.0) as judgements:
        for _ in range(30):
            judgements.judge(
                judgements.next_picture("ann", "audit", AuditPlan(1, 10)).token, "ann", "wrong", 100, "audit"
            )
    found = choose_tier("mnist", 0.02)
    assert (found.decided_by.source, found.store, found.tier.name) == ("people", "mnist.sqlite", "research")
    assert found.commands[1] == command


def test_the_file_of_a_run_counts_for_its_generator_file_too(run):
    judge(run, ["wrong"] * 30)
    found = choose_tier(run / "generator.keras", 0.02)
    assert (found.decided_by.source, found.store) == ("people", f"{run}/feedback.sqlite")
    assert found.commands[1].endswith(f"--store {run}/feedback.sqlite")


def test_a_file_of_another_generator_that_was_found_does_not_count_and_is_not_written(run):
    sha256 = find_saved(run).summary.sha256
    FeedbackStore(run / "feedback.sqlite", "0" * 64).close()  # the run went on since
    FeedbackStore("tiny.sqlite", "1" * 64).close()
    found = choose_tier(run, 0.02)
    assert (len(found.bounds), found.store) == (1, None)
    of_others = [f"{path} has judgements of another generator, which do not count" for path in
                 (f"{run}/feedback.sqlite", "tiny.sqlite")]  # fmt: skip
    assert found.notes[:2] == tuple(of_others)
    new = run / f"feedback-{sha256[:8]}.sqlite"
    assert found.commands[1] == f"gan feedback {run} --store {new}"
    judge(run, ["wrong"] * 30, store=new.name)
    found = choose_tier(run, 0.02)
    assert (found.store, found.decided_by.source, found.notes[:2]) == (str(new), "people", tuple(of_others))


def test_of_two_files_that_were_found_the_other_one_is_named(run):
    judge(run, ["right"] * 20)
    judge(run, ["wrong"] * 20, store="../tiny.sqlite")
    found = choose_tier(run, 0.2)
    assert found.store == f"{run}/feedback.sqlite"
    assert found.notes[0] == "tiny.sqlite has judgements too, which count with --store tiny.sqlite"
    assert choose_tier(run, 0.2, store="tiny.sqlite").verdict == "exceeded"


def test_one_file_that_is_found_by_two_names_is_read_once(run, monkeypatch):
    folder = shutil.copytree(run, run.parent / "feedback")
    shutil.copyfile(run / "generator.keras", folder / "feedback.keras")
    monkeypatch.chdir(folder)
    judge(folder, ["right"] * 20)
    found = choose_tier(folder / "feedback.keras", 0.9)
    assert [note for note in found.notes if "judgements too" in note] == []
    assert found.store == f"{folder}/feedback.sqlite"


def test_a_file_of_judgements_of_another_generator_or_program_is_refused(run):
    with pytest.raises(InputError, match="No such file"):
        choose_tier(run, 0.02, store=run / "none.sqlite")
    FeedbackStore(run / "other.sqlite", "0" * 64).close()
    with pytest.raises(InputError, match="another generator"):
        choose_tier(run, 0.02, store=run / "other.sqlite")
    (run / "feedback.sqlite").write_text("something else, and long enough to be read" * 100, encoding="utf-8")
    with pytest.raises(InputError, match="judgements cannot be used"):
        choose_tier(run, 0.02)


def test_a_file_without_judgements_says_nothing(run):
    judge(run, [None])
    assert len(choose_tier(run, 0.02).bounds) == 1


# The file to deploy


FAILED = Artifact(format="litert", weights="int8", failure="LiteRT cannot express this generator")


ROWS = [
    row("plain.keras", 10, 5.0, size=4_000, memory=3 * 10**8),
    row("half.keras", 11, 4.0, size=2_000, memory=10**8, weights="float16"),
    row("small.keras", 30, 3.0, size=1_000, memory=2 * 10**8, weights="int8"),
    FAILED,
]


@pytest.mark.parametrize(
    ("tolerance", "cost", "name"),
    [
        (0.02, "milliseconds", "half.keras"),
        (0.02, "bytes", "half.keras"),
        (0.05, "milliseconds", "small.keras"),
        (0.05, "bytes", "small.keras"),
        (0.05, "memory", "half.keras"),
        (0.2, "milliseconds", "half.keras"),  # unattended, so within a tenth of the tolerance
        (0.015, "milliseconds", "small.keras"),  # reviewed, so within three times the tolerance
    ],
)
def test_the_cheapest_file_within_the_tier_is_chosen(tolerance, cost, name, run):
    write_table(run, ROWS)
    found = choose_tier(run, tolerance, cost=cost)
    assert found.artifact.path == f"exported/{name}"
    assert found.artifact.error_rate_upper <= found.limit
    assert found.notes == ()
    assert found.commands[0].split()[2] == f"exported/{name}"


def test_rounded_weights_are_confirmed_on_fresh_samples(run):
    write_table(run, ROWS)
    half = choose_tier(run, 0.02).artifact
    expected = "gan evaluate exported/half.keras --num 1000 --seed 8 --tolerance 0.02 --output exported"
    assert half.confirm == expected
    write_table(run, ROWS[:1])
    assert choose_tier(run, 0.02).artifact.confirm is None


def test_a_file_with_too_little_coverage_is_not_within(run):
    write_table(run, [ROWS[0], row("half.keras", 5, 1.0, coverage=0.75), row("small.keras", 5, 1.0, coverage=None)])
    assert choose_tier(run, 0.02).artifact.path == "exported/plain.keras"


def test_a_file_that_is_not_the_measured_one_is_passed_over(run):
    path = write_table(run, ROWS)
    (path.parent / "half.keras").write_bytes(b"changed")
    (path.parent / "small.keras").unlink()
    found = choose_tier(run, 0.05)
    assert found.artifact.path == "exported/plain.keras"
    assert [note.split()[0] for note in found.notes] == ["exported/small.keras", "exported/half.keras"]


def test_without_a_file_within_the_tier_the_generator_itself_is_deployed(run):
    path = write_table(run, ROWS[2:])
    found = choose_tier(run, 0.02)
    assert found.artifact is None
    assert found.notes == (f"no file in {path.relative_to(run.parent)} is within this tier",)
    assert found.commands[0].split()[2] == str(run)


def test_nothing_is_chosen_for_the_last_tier(run):
    write_table(run, ROWS)
    found = choose_tier(run, 0.001)
    assert (found.tier.name, found.artifact, found.notes) == ("research", None, ())


@pytest.mark.parametrize("change", [{"generator_sha256": "f" * 64}, {"dataset": "fashion_mnist"}])
def test_a_table_of_another_generator_or_dataset_is_refused_or_ignored(change, run):
    path = write_table(run, ROWS, **change)
    found = choose_tier(run, 0.02)
    assert found.artifact is None
    assert found.notes == (f"no table of exported files for this generator: gan export {run} --table",)
    with pytest.raises(InputError, match="A table of another"):
        choose_tier(run, 0.02, artifacts=path)


def test_a_table_elsewhere_is_given(run):
    path = write_table(run, ROWS, path="elsewhere/files.json")
    assert choose_tier(run, 0.02).artifact is None
    assert choose_tier(run, 0.02, artifacts=str(path)).artifact.path == str(path.parent / "half.keras")


def test_a_decision_has_json_types_only(run):
    write_table(run, ROWS)
    content = choose_tier(run, 0.02).as_dict()
    assert content["tier"]["name"] == "monitored"
    assert content["artifact"]["weights"] == "float16"
    assert content["decided_by"]["upper"] == wilson_interval(10, 1_000)[1]


def test_the_name_of_the_file_of_judgements_stands_once_in_the_program():
    """`gan feedback` writes the file that `gan tiers` reads."""
    sources = {path: ast.walk(ast.parse(path.read_text(encoding="utf-8"))) for path in (ROOT / "gan").rglob("*.py")}
    found = [
        path.relative_to(ROOT).as_posix()
        for path, nodes in sources.items()
        for node in nodes
        if isinstance(node, ast.Constant) and node.value == "feedback.sqlite"
    ]
    assert found == ["gan/saving/run_folder.py"]


# The page


def test_the_page_shows_a_table_that_is_valid(tmp_path):
    (block,) = re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "tiers.md").read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "own.toml").write_text(block, encoding="utf-8")
    assert [tier.name for tier in load_tiers(tmp_path / "own.toml").tier] == ["ship", "stop"]
