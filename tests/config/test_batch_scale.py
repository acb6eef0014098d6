from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gan.config import PRESETS, OptimizationConfig
from gan.config.batch_scale import BatchScale
from gan.errors import InputError


def test_rules_by_hand():
    scale = BatchScale(base=64, batch_size=1_024)
    assert scale.ratio == 16.0
    assert scale.rate(0.003) == pytest.approx(0.012, rel=1e-12)  # sqrt(16) times
    assert scale.decay(0.5) == pytest.approx(2.0**-16, rel=1e-12)
    assert scale.decay(0.0) == 0.0
    assert [scale.interval(every) for every in (1, 4, 16, 32, 40)] == [1, 1, 1, 2, 2]
    smaller = BatchScale(base=64, batch_size=16)
    assert smaller.rate(0.003) == pytest.approx(0.0015, rel=1e-12)
    assert smaller.decay(0.0625) == pytest.approx(0.5, rel=1e-12)
    assert [smaller.interval(every) for every in (1, 16)] == [4, 64]


@given(base=st.integers(16, 1_024), size=st.integers(16, 1_024), beta=st.floats(0.1, 0.9999))
def test_moments_keep_their_half_life_in_images(base, size, beta):
    scaled = BatchScale(base, size).decay(beta)
    assert 0.0 <= scaled < 1.0
    assert scaled ** (1.0 / size) == pytest.approx(beta ** (1.0 / base), rel=1e-9)


def test_a_small_change_is_that_of_the_paper():
    """1 - beta times the ratio, arXiv:2205.10287."""
    assert 1.0 - BatchScale(64, 128).decay(0.999) == pytest.approx(2 * 0.001, rel=1e-3)


@given(sizes=st.tuples(*3 * [st.integers(32, 128)]), rate=st.floats(1e-6, 1.0), beta=st.floats(0.0, 0.999))
def test_two_steps_are_one(sizes, rate, beta):
    first, second, third = sizes
    over, direct = (BatchScale(first, second), BatchScale(second, third)), BatchScale(first, third)
    assert over[1].rate(over[0].rate(rate)) == pytest.approx(direct.rate(rate), rel=1e-9)
    assert over[1].decay(over[0].decay(beta)) == pytest.approx(direct.decay(beta), rel=1e-6, abs=1e-12)


def test_options_are_scaled_to_the_batch_size():
    options = OptimizationConfig(batch_size=256, scale_from_batch=64, beta_1=0.5)
    assert options.learning_rates == (6e-3, 3e-3)
    assert options.betas == (0.0625, pytest.approx(0.99**4))
    assert replace(options, d_learning_rate=1e-3).learning_rates == (6e-3, 2e-3)
    assert options.batch_scale.interval(16) == 4


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("same", [None, "batch"])
def test_without_another_batch_size_the_options_stay_as_they_are(name, same):
    options = PRESETS[name].optimization
    if options.scale_from_batch is not None:
        options = replace(options, batch_size=options.scale_from_batch)
    options = replace(options, scale_from_batch=options.batch_size if same else None)
    assert options.learning_rates == (options.learning_rate, options.d_learning_rate or options.learning_rate / 2)
    assert options.betas == (options.beta_1, options.beta_2)
    assert [options.batch_scale.interval(every) for every in (1, 4, 16)] == [1, 4, 16]


@pytest.mark.parametrize("size", [0, -64, 1.5, "64"])
def test_bad_batch_sizes_are_rejected(size):
    with pytest.raises(InputError, match="scale_from_batch"):
        OptimizationConfig(scale_from_batch=size)
