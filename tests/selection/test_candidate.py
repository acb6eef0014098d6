"""Candidates: presets and combinations of their options."""

import pytest

from gan.config import PRESETS
from gan.errors import InputError
from gan.selection.candidate import Candidate, check_folders, make_candidates


def test_a_preset_alone_is_a_candidate_with_its_options():
    [one] = make_candidates(["mnist-mlp"], seed=3)
    assert (one.name, one.preset, one.folder, one.config.seed) == ("mnist-mlp", "mnist-mlp", "mnist-mlp", 3)
    assert one.config.model == PRESETS["mnist-mlp"].model
    assert one.images(50_000) == 240_000  # 7,500 steps of 32


def test_all_combinations_of_the_varied_options_in_their_order():
    found = make_candidates(["mnist", "mnist-mlp"], ["learning-rate=1e-3,3e-3", "images=1e4"])
    assert [one.name for one in found] == [
        "mnist,learning_rate=1e-3,images=1e4",
        "mnist,learning_rate=3e-3,images=1e4",
        "mnist-mlp,learning_rate=1e-3,images=1e4",
        "mnist-mlp,learning_rate=3e-3,images=1e4",
    ]
    assert [one.config.optimization.learning_rate for one in found] == [1e-3, 3e-3] * 2
    assert {one.config.optimization.images for one in found} == {10_000}
    assert len({one.folder for one in found}) == 4


def test_values_have_the_type_of_their_option():
    [one] = make_candidates(["mnist"], ["penalties=r1+r2", "gamma=none", "g_width=16", "simultaneous=true"])
    options = one.config.optimization
    assert (options.penalties, options.gamma, options.simultaneous) == (("r1", "r2"), None, True)
    assert one.config.model.g_width == 16
    [one] = make_candidates(["mnist"], ["penalties=none"])
    assert one.config.optimization.penalties == ()


def test_none_is_a_choice_of_some_options():
    found = make_candidates(["mnist"], ["conditioning=none,projection", "d_norm=none,spectral"])
    assert [(one.config.model.conditioning, one.config.model.d_norm) for one in found] == [
        ("none", "none"),
        ("none", "spectral"),
        ("projection", "none"),
        ("projection", "spectral"),
    ]


def test_candidates_need_different_run_folders():
    config = PRESETS["mnist"]
    check_folders([Candidate("lr=1/2", "mnist", config), Candidate("lr=1_2", "mnist", config)])
    for names in (("lr=1/2", "lr=1:2"), ("a", "A")):
        with pytest.raises(InputError, match=f"one run folder.*{names[0]} and {names[1]}"):
            check_folders([Candidate(name, "mnist", config) for name in names])


def test_a_length_takes_the_place_of_another():
    [one] = make_candidates(["tf-tutorial"], ["images=51200"])
    assert (one.config.optimization.epochs, one.images(50_000)) == (None, 51_200)
    [one] = make_candidates(["mnist"], ["epochs=2"])
    assert one.images(6_400) == 12_800


@pytest.mark.parametrize(
    ("presets", "vary", "message"),
    [
        ([], [], "No candidates"),
        (["mnst"], [], "did you mean mnist"),
        (["mnist", "mnist"], [], "Two candidates are equal.*mnist and mnist"),
        (["mnist"], ["learning_rate=1e-3,0.001"], "Two candidates are equal"),
        (["mnist", "stacked-mnist"], [], "Candidates of different data.*stacked-mnist"),
        (["mnist"], ["lerning_rate=1"], "did you mean learning_rate"),
        (["mnist"], ["learning_rate=x"], "Bad value of `learning_rate`"),
        (["mnist"], ["learning_rate=-1"], "Bad `learning_rate`"),
        (["mnist"], ["learning_rate="], "Bad `--vary`"),
        (["mnist"], ["loss=hing"], "Bad value of `loss`"),
        (["mnist"], ["seed=1", "seed=2"], "An option is varied twice"),
        (["mnist"], ["eval_every=5"], "Unknown option"),
    ],
)
def test_bad_candidates_are_named(presets, vary, message):
    with pytest.raises(InputError, match=message):
        make_candidates(presets, vary)


def test_candidates_of_different_presets_can_share_a_dataset():
    assert {one.config.data.dataset for one in make_candidates(["mnist", "dcgan"], dataset="mnist5k")} == {"mnist5k"}
