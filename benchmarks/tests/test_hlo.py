"""Counts of convolutions and dots in HLO text: by hand, of one layer, and of train steps."""

import numpy as np
import pytest

from benchmarks import hlo

BY_HAND = """HloModule by_hand, entry_computation_layout={()->f32[]}

%with_penalty (p.1: f32[8,6,6,1]) -> f32[4,4,1,3] {
  %p.1 = f32[8,6,6,1]{3,2,1,0} parameter(0)
  %y.1 = f32[8,3,3,3]{3,2,1,0} constant({...})
  ROOT %gradient.1 = f32[4,4,1,3]{3,2,1,0} convolution(f32[8,6,6,1]{3,2,1,0} %p.1, f32[8,3,3,3]{3,2,1,0} %y.1), \
window={size=3x3 pad=1_1x1_1 rhs_dilate=2x2}, dim_labels=f01b_i01o->01bf
}

%without (p.2: f32[8,6,6,1]) -> f32[4,4,1,3] {
  %p.2 = f32[8,6,6,1]{3,2,1,0} parameter(0)
  ROOT %zero = f32[4,4,1,3]{3,2,1,0} constant({...})
}

ENTRY %main (x: f32[8,6,6,1], k: f32[4,4,1,3], due: pred[]) -> (f32[8,3,3,3], f32[4,4,1,3]) {
  %x = f32[8,6,6,1]{3,2,1,0} parameter(0)
  %k = f32[4,4,1,3]{3,2,1,0} parameter(1)
  %due = pred[] parameter(2)
  %a = f32[8,3,3,3]{3,2,1,0} convolution(f32[8,6,6,1]{3,2,1,0} %x, f32[4,4,1,3]{3,2,1,0} %k), \
window={size=4x4 stride=2x2 pad=1_1x1_1}, dim_labels=b01f_01io->b01f, metadata={op_name="first"}
  %b = f32[8,3,3,3]{0,1,2,3} convolution(%x, %k), \
window={size=4x4 stride=2x2 pad=1_1x1_1}, dim_labels=b01f_01io->b01f, metadata={op_name="same, but for the layout"}
  %c = f32[8,3,3,3]{3,2,1,0} convolution(%x, %k), window={size=4x4 stride=2x2 pad=2_0x2_0}, dim_labels=b01f_01io->b01f
  %dead = f32[8,6,6,1]{3,2,1,0} convolution(%c, %k), window={size=4x4 lhs_dilate=2x2}, dim_labels=b01f_01oi->b01f
  %sum = f32[8,3,3,3]{3,2,1,0} add(%a, %b)
  %all = f32[8,3,3,3]{3,2,1,0} add(%sum, %c)
  %d = f32[4,4,1,3]{3,2,1,0} conditional(%due, %x, %x), true_computation=%with_penalty, false_computation=%without
  ROOT %result = (f32[8,3,3,3]{3,2,1,0}, f32[4,4,1,3]{3,2,1,0}) tuple(%all, %d)
}
"""


def test_counts_of_a_module_written_by_hand():
    counts = hlo.Counts.of(BY_HAND)
    assert sorted(counts.convolutions.values()) == [1, 1, 2]  # two are equal but for layout and metadata
    assert counts.row() == {
        "convolutions": 4,  # without the one whose result is not used
        "distinct": 3,
        "one-channel weight gradients": 1,  # in a branch of the conditional
        "dots": 0,
        "distinct dots": 0,
        "reductions": 0,
        "conditionals": 1,
        "instructions": 14,  # 10, 3 and 1 in the three computations
    }


def test_programs_that_share_convolutions_have_no_more_distinct_ones_together():
    row = hlo.Counts.of(BY_HAND, BY_HAND).row()
    assert (row["convolutions"], row["distinct"]) == (8, 3)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("strides", [1, 2])
def test_a_layer_and_its_gradients_are_three_convolutions(channels, strides):
    tf = pytest.importorskip("tensorflow")
    kernel = tf.Variable(tf.ones([4, 4, channels, 3]))

    def step(x, y):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(y * tf.nn.conv2d(x, kernel, strides, "SAME"))
        return tape.gradient(loss, [x, kernel])

    counts = hlo.Counts.of(hlo.text_of(step, tf.ones([2, 6, 6, channels]), tf.ones([2, 6 // strides, 6 // strides, 3])))
    # the value itself is not used by the gradients of a linear function
    assert [sum(counts.convolutions.values()), len(counts.convolutions)] == [2, 2]
    assert counts.row()["one-channel weight gradients"] == int(channels == 1 and strides == 2)


def test_equal_products_are_one_distinct_dot():
    tf = pytest.importorskip("tensorflow")

    def step(x, a, b):
        return (x @ a) @ b + (x @ b) @ tf.transpose(a)

    counts = hlo.Counts.of(hlo.text_of(step, tf.ones([3, 4]), tf.ones([4, 4]), tf.ones([4, 4])))
    assert sum(counts.dots.values()) == 4
    assert {one.operands for one in counts.dots} == {("f32[3,4]", "f32[4,4]")}


@pytest.mark.slow  # tests/models/test_xla.py looks at the programs of a smaller network
def test_a_step_without_its_lazy_penalty_has_fewer_convolutions_and_no_conditional():
    from helpers.tiny import small_gan

    from gan.data.split import Split
    from gan.models.penalties import R1

    tf = pytest.importorskip("tensorflow")
    gan = small_gan(penalties=[R1(every=4)])
    texts = hlo.programs(gan, (tf.zeros([16, 28, 28, 1]), tf.zeros([16], tf.int32)))
    assert list(texts) == [hlo.ONE_PROGRAM, "step 0", "step 1"]
    one, penalty, plain = (hlo.Counts.of(text) for text in texts.values())
    assert (one.conditionals, penalty.conditionals, plain.conditionals) == (2, 0, 0)
    assert set(one.convolutions) == set(penalty.convolutions)
    assert set(plain.convolutions) < set(penalty.convolutions)
    assert sum(plain.convolutions.values()) < sum(penalty.convolutions.values())
    assert gan._like is None

    split = Split(np.zeros((16, 28, 28, 1), np.uint8), np.zeros(16, np.int32))
    loops = hlo.loops_of(gan, split.batches(16))
    assert list(loops) == ["loop: 4 periods", "loop: 4 steps of kind 1"]
    periods, steps = (hlo.Counts.of(text) for text in loops.values())
    assert (periods.conditionals, steps.conditionals) == (0, 0)
    assert periods.convolutions == penalty.convolutions + plain.convolutions
    assert steps.convolutions == plain.convolutions

    table = hlo.table({"tiny": {**texts, **loops}})
    assert [row[1] for row in table.rows] == [*texts, *loops, hlo.TOGETHER]
    assert len(table.columns) == len(table.rows[0])
