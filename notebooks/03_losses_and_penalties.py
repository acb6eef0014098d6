# %% [markdown]
# # Losses and penalties
#
# A GAN is a game of two networks. The discriminator D gives each image a number, its *logit*: high for "real", low
# for "fake". The generator G generates samples that should get high logits. The **loss** defines how many points each
# side gets for each logit. A **penalty** prevents D from becoming too steep. Most GAN papers differ in little else.
#
# **Needs:** a CPU. The notebook uses MNIST if it is available, and otherwise 5,000 digits that an installed package
# contains.
#
# **Takes:** about 4 minutes on two cores.
#
# **Afterwards you know** the six losses of this package and their effect on the gradient of G. You know what mode
# collapse is, how to cause it, and how to cure it. You also know what each penalty does to D, and how little of this
# is visible on digits.

# %%
from importlib.util import find_spec

from IPython import get_ipython

if find_spec("gan") is None:  # for example in Colab
    get_ipython().run_line_magic("pip", "install --quiet gan-reference")

# %% tags=["parameters"] quick={"STEPS": 100, "LOSSES": ["wasserstein"], "RECIPES": 2, "IMAGES": 640, "EVALUATED": 200}
STEPS = 4_000  # training steps of each GAN on points in the plane
BATCH = 128  # points per step
POINTS = 2_000  # generated points per plot
LOSSES = ["minimax", "non_saturating", "hinge", "least_squares", "wasserstein", "relativistic"]
RECIPES = 8  # number of recipes to train on digits, at most 8
IMAGES = 32_000  # training images of each GAN on digits
EVALUATED = 2_000  # validation digits for the evaluation

# %%
from gan import start_tensorflow

print(start_tensorflow(seed=0))

import warnings

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras import layers

import gan
from gan import GAN, build_discriminator, build_generator, generate, images, load_classifier, load_dataset

plt.rcParams.update(gan.evaluation.STYLE)
print("losses:", ", ".join(gan.losses.LOSSES))

# %% [markdown]
# ## 1. Six losses as curves
#
# First the generator. Its loss is a function of the logit that D gives to a fake. G is not driven by the loss itself
# but by its *slope*: how much the loss changes when the logit rises a little. (The relativistic loss also uses the
# logit of a real image. It is 0 here.)


# %%
def plot_curves(loss_of, x, network, axes):
    """Plots the six losses of one network, and their slopes."""
    for name, style, width in zip(gan.losses.LOSSES, ("-", "-", "-", "-", ":", "--"), (6, 2, 6, 2, 2, 2)):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = loss_of(gan.losses.LOSSES[name](), x)
        options = {"label": name, "linewidth": width, "alpha": 0.4 if width > 2 else 1}
        for axis, height in zip(axes, (value, tape.gradient(value, x))):
            axis.plot(x[:, 0], height[:, 0], style, **options)
    axes[0].set(title=f"Loss of {network}", ylabel=f"loss of {network}")
    axes[1].set(title=f"Slope of the loss: how hard {network} is pushed", ylabel="slope of the loss")
    axes[0].legend(ncols=2, fontsize=9)


figure, axes = plt.subplots(1, 2, figsize=(12, 4.5), layout="constrained")
logits = tf.linspace(-8.0, 8.0, 321)[:, None]
plot_curves(lambda loss, x: loss.generator(tf.zeros_like(x), x), logits, "G", axes)
axes[0].set(xlabel="logit of a fake (left: D is confident that it is fake)", ylim=(-9, 9))
axes[1].set(xlabel="logit of a fake (left: D is confident that it is fake)", ylim=(-2.2, 0.4))
plt.show()

# %% [markdown]
# Look at the left end of the curves, where D clearly recognizes the fakes. Every training starts there.
#
# * `minimax` is the original game. Its slope is nearly **zero** there: when G is at its worst, it learns nothing.
#   This is the *vanishing gradient*.
# * `non_saturating` is the cure from the same paper: where D is confident, the slope is -1.
# * `hinge` and `wasserstein` have the slope -1 everywhere, even where D is already deceived.
# * `least_squares` pushes harder the further the logit is from 1. It pulls back logits above 1.
# * `relativistic` looks like `non_saturating`, but its logit is relative *to the logit of a real image*.
#
# Now the discriminator. Suppose it gives a real image the logit +s and a fake the logit -s. How much does it gain by
# moving them further apart?

# %%
figure, axes = plt.subplots(1, 2, figsize=(12, 4.5), layout="constrained")
plot_curves(lambda loss, s: loss.discriminator(s, -s), tf.linspace(-2.0, 5.0, 141)[:, None], "D", axes)
axes[0].set(xlabel="s: real images at +s, fakes at -s", ylim=(-10, 8))
axes[1].set(xlabel="s: real images at +s, fakes at -s", ylim=(-3, 1.5))
plt.show()

# %% [markdown]
# * `hinge` is satisfied at s = 1: beyond this value, it no longer pushes D.
# * The logarithmic losses fade slowly but never reach zero. These are `relativistic`, and `non_saturating` and
#   `minimax`, which have the same loss for D.
# * `least_squares` has exact targets (1 and 0, so s is between them). It pulls D back when D goes beyond them.
# * `wasserstein` has **no limit**: without a penalty, D only has to become steeper.
#
# ## 2. A GAN that you can plot
#
# A digit has 784 pixels, and a distribution in 784 dimensions cannot be plotted. This section therefore uses *two*
# numbers per sample: points in the plane. The data are eight small clusters on a ring. Each cluster is a *mode*. A
# good generator covers all eight modes, and generates nothing between them. The package accepts this data: any two
# Keras models that fit each other make a GAN.

# %%
angles = 2 * np.pi * np.arange(8) / 8
CENTERS = 2 * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def ring(*shape):
    """Returns points of the data, the same each time: float32 [*shape, 2]."""
    rng = np.random.default_rng(0)
    return (CENTERS[rng.integers(0, 8, shape)] + 0.02 * rng.normal(size=(*shape, 2))).astype(np.float32)


def build_network(inputs, outputs):
    """Returns a dense network with two hidden layers."""
    hidden = [layers.Dense(64, activation="relu") for _ in range(2)]
    return keras.Sequential([keras.Input((inputs,)), *hidden, layers.Dense(outputs)])


def count_modes(points):
    """Returns the number of clusters with 1 % of the points or more, and the share of points in a cluster."""
    distances = np.linalg.norm(points[:, None] - CENTERS, axis=-1)
    inside = distances.min(axis=1) < 0.15
    counts = np.bincount(distances.argmin(axis=1)[inside], minlength=8)
    return int((counts >= 0.01 * len(points)).sum()), inside.mean()


# %%
def train(loss, penalties=(), *, frames=1):
    """Trains a GAN on the ring. Returns it, and samples of the same latents at `frames` moments."""
    keras.utils.set_random_seed(0)
    model, samples = GAN(build_network(8, 2), build_network(2, 1), ema_half_life=1_000), []
    optimizers = [keras.optimizers.Adam(rate, beta_1=0.0, beta_2=0.99) for rate in (5e-4, 5e-3)]  # G, D
    model.compile(*optimizers, loss=loss, penalties=penalties, steps_per_execution=20)
    for batches in np.split(ring(STEPS, BATCH), frames):
        model.fit(tf.data.Dataset.from_tensor_slices(batches), shuffle=False, verbose=0)
        samples.append(generate(model.generator, POINTS))
    return model, samples


def scatter(axis, points, title):
    """Plots the data in gray, and points on top of it."""
    found, share = count_modes(points)
    axis.scatter(*ring(400).T, s=4, color="lightgray")
    axis.scatter(*points.T, s=3, alpha=0.3)
    axis.set(xlim=(-2.9, 2.9), ylim=(-2.9, 2.9), aspect="equal", xlabel="x", ylabel="y")
    axis.set_title(f"{title}\n{found} modes, {share:.0%} in a cluster", fontsize=10)


# %% [markdown]
# ## 3. Cause mode collapse
#
# Use two losses without any penalty, and a D that learns **ten times as fast** as G. See the two learning rates in
# `train`. Each row shows five moments of one training, with the same latents.

# %%
MOMENTS = 5
unpenalized = {loss: train(loss, frames=MOMENTS) for loss in ("minimax", "non_saturating")}
figure, axes = plt.subplots(2, MOMENTS, figsize=(13, 6.4), layout="constrained")
for row, (loss, (_, samples)) in zip(axes, unpenalized.items()):
    for moment, (axis, points) in enumerate(zip(row, samples), 1):
        scatter(axis, points, f"{loss}, step {STEPS * moment // MOMENTS:,}")
figure.suptitle("No penalty: data in gray, samples of G in blue")
plt.show()

# %% [markdown]
# The titles count the clusters that G hits, and give the share of its points that lie in a cluster. In the lower row,
# G first finds the few clusters that it can reach, and moves nearly all points there. It may lose some clusters
# again, and then no longer changes. At the end, hardly any point is wrong, but most of the data is missing. This is
# **mode collapse**.
#
# The loss does not prevent it. The loss only asks for high logits, one fake at a time, and never checks whether all
# clusters are covered. D could tell, since clusters without fakes are certainly real. But a fast D builds cliffs
# between real points and fakes. No path leads from the clusters that G covers to the others.
#
# The upper row shows a different problem: the vanishing slope of `minimax`. D is confident about most points, so they
# hardly move. Even at the end they are scattered over the plane, and G finds at most one or two clusters.
#
# Both problems depend on the learning rates. Set both rates in `train` to 0.004, for example, and G misses few or no
# clusters.
#
# ## 4. Cure mode collapse
#
# Networks, learning rates, data and latents stay the same, with the loss of the lower row. The only difference is
# that D is no longer allowed to be steep.

# %%
cures = {
    "none": [],
    "r1": [gan.penalties.R1(gamma=1.0, every=1)],
    "r1 + r2": [gan.penalties.R1(gamma=1.0, every=1), gan.penalties.R2(gamma=1.0, every=1)],
    "wgan_gp": [gan.penalties.WassersteinGP(weight=1.0)],
    "dragan": [gan.penalties.DRAGAN(weight=1.0)],
}
cured = {name: train("non_saturating", penalties) for name, penalties in cures.items() if penalties}
cured = {"none": unpenalized["non_saturating"], **cured}  # already trained above
figure, axes = plt.subplots(1, len(cures), figsize=(15, 3.8), layout="constrained")
for axis, (name, (_, samples)) in zip(axes, cured.items()):
    scatter(axis, samples[-1], f"penalty: {name}")
figure.suptitle(f"non_saturating with each penalty, after {STEPS:,} steps")
plt.show()

# %% [markdown]
# Each penalty is a cure: G covers all eight clusters, and most points lie in one. The other points lie on the paths
# between clusters, since G is continuous and cannot jump. Longer training makes them fewer. The penalties differ
# little here. You have to choose the strength of each penalty. All are 1 here, and this choice is not critical: 0.1
# works as well.
#
# ## 5. What a penalty does to D
#
# The logits of D form a landscape, and G climbs it. At each point, G moves uphill, and faster where the slope is
# steeper. The plots show these landscapes at the end of the runs above. Colors are logits, with a separate scale for
# each plot. Arrows show the direction in which G is pushed. The table gives the mean slope of D at real points, at
# fakes, and halfway between a real point and a fake.

# %%
side = np.linspace(-2.9, 2.9, 59, dtype=np.float32)
plane = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)


def plot_landscape(axis, discriminator, title):
    """Plots the logits of D in the plane, the directions in which G is pushed, and the cluster centers."""
    points = tf.constant(plane)
    with tf.GradientTape() as tape:
        tape.watch(points)
        heights = discriminator(points)
    uphill = tape.gradient(heights, points).numpy().reshape(59, 59, 2)[2::6, 2::6]
    axis.contourf(side, side, heights.numpy().reshape(59, 59), levels=20, cmap="viridis")
    steepest = np.linalg.norm(uphill, axis=-1, keepdims=True) + 1e-9
    right, up = np.moveaxis(uphill / steepest, -1, 0)
    axis.quiver(side[2::6], side[2::6], right, up, color="white", scale=16, width=0.006)
    axis.scatter(*CENTERS.T, s=14, color="red")
    axis.set(title=title, aspect="equal", xlabel="x", ylabel="y")
    axis.grid(visible=False)


# %%
figure, axes = plt.subplots(1, len(cured), figsize=(15, 3.8), layout="constrained")
print(f"{'mean slope of D':16s}  at real  at fake  between")
for axis, (name, (model, samples)) in zip(axes, cured.items()):
    plot_landscape(axis, model.discriminator, f"penalty: {name}")
    real, fake = ring(POINTS), samples[-1]
    places = [tf.constant(points) for points in (real, fake, (real + fake) / 2)]
    squares = [gan.penalties.squared_gradient_norm(model.discriminator, points) for points in places]
    slopes = [np.sqrt(square).mean() for square in squares]
    print(f"{name:16s}", *(f"{slope:8.2f}" for slope in slopes))
figure.suptitle("Logits of D: the landscape that G climbs. Red: the eight cluster centers")
plt.show()

# %% [markdown]
# Look at the numbers first. Without a penalty, the slope is by far the largest halfway between real points and fakes:
# these are the cliffs. The landscape hardly reflects the data. No hill stands at a cluster, so the arrows do not lead
# to the clusters that G misses. With any penalty, the middle of the ring is a valley. Paths lead up from it in all
# directions, and most of them end at a cluster.
#
# The penalties differ in how steep these paths are. With `r1` and `r1 + r2`, D is nearly flat at real points and at
# fakes. Where fakes and real points coincide, nothing moves any more. `wgan_gp` requires a slope of 1 between real
# points and fakes, and `dragan` a slope of 1 around the real points. The measured slopes are about 1: G is always
# pushed, but never hard.
#
# ## 6. Each loss with and without a penalty
#
# Are some losses better than others? This section trains each of the six losses twice: alone, and with R1 and R2
# together.

# %%
results = {}
for loss in LOSSES:
    for name in ("none", "r1 + r2"):
        known = {**({} if name != "none" else unpenalized), "non_saturating": cured[name]}  # trained above
        results[loss, name] = (known.get(loss) or train(loss, cures[name]))[1][-1]
figure, axes = plt.subplots(2, len(LOSSES), figsize=(15, 6), layout="constrained", squeeze=False)
for column, loss in zip(axes.T, LOSSES):
    for axis, name in zip(column, ("none", "r1 + r2")):
        scatter(axis, results[loss, name], f"{loss}, {name}")
figure.suptitle("Top: without a penalty. Bottom: with R1 and R2")
plt.show()

# %% [markdown]
# Compare each plot with the one below it. In the upper row, no loss covers all clusters, and each fails in its own
# way. Some losses cover a few clusters, and `minimax` is scattered. Most points of `wasserstein` miss the clusters,
# because its D has no limit, as shown above. In the lower row, each loss covers all eight clusters, and the plots
# look almost the same. With such unequal learning rates, the penalty matters more than the loss.
#
# ## 7. Train on digits
#
# Now repeat the comparison on MNIST. The networks are conditional and half as wide as the default of the package, to
# save time. Each run sees the same images in the same order.
#
# A small pretrained classifier measures the quality in two ways. One is the Frechet distance of its features between
# generated digits and validation digits (lower is better; see notebook 4). The other is the error rate: how often it
# does not recognize the requested digit. The *floor* is the distance of real training digits.

# %%
with warnings.catch_warnings(action="ignore"):  # hides the warning if 5,000 digits replace MNIST
    digits = load_dataset("mnist")
probe = gan.classifier.Extractor(load_classifier("mnist-probe")[0])
held_out = digits.validation.at_most(EVALUATED)
print(f"{digits.name}: {len(digits.train):,} training digits, {len(held_out):,} validation digits")


def train_digits(loss, penalties):
    """Trains on IMAGES images. Returns the averaged generator (EMA) and its quality."""
    keras.utils.set_random_seed(0)
    shape = digits.image_shape
    networks = build_generator(shape, 32, 10, width=16), build_discriminator(shape, 10, width=16)
    model = GAN(*networks, ema_half_life=2_200)
    optimizers = [keras.optimizers.Adam(rate, beta_1=0.0, beta_2=0.99) for rate in (4e-3, 2e-3)]
    metric = gan.evaluation.quality_metric(probe)
    options = {"mismatched_labels": 0.0, "metrics": [metric], "steps_per_execution": 10}
    model.compile(*optimizers, loss=loss, penalties=penalties, **options)
    model.fit(digits.train.batches(64, steps=IMAGES // 64), shuffle=False, verbose=0)
    return model.generator_ema, model.evaluate(held_out.in_order(100), return_dict=True, verbose=0)


# %% [markdown]
# There are eight recipes. The two oldest losses have no penalty. Four losses have a penalty that suits them. The
# Wasserstein loss is trained with and without its penalty.

# %%
recipes = {
    "minimax": ("minimax", []),
    "non_saturating": ("non_saturating", []),
    "non_saturating, r1": ("non_saturating", ["r1"]),
    "hinge, r1": ("hinge", ["r1"]),
    "least_squares, r1": ("least_squares", ["r1"]),
    "wasserstein": ("wasserstein", []),
    "wasserstein, wgan_gp": ("wasserstein", ["wgan_gp"]),
    "relativistic, r1 + r2": ("relativistic", ["r1", "r2"]),
}
runs = {name: train_digits(*recipes[name]) for name in list(recipes)[-RECIPES:]}
splits = (held_out, digits.train.at_most(len(held_out)))
real = [probe.arrays(gan.classifier.as_input(split.images)) for split in splits]
floor = gan.evaluation.quality(probe, *real)["frechet_distance"]

# %%
figure, axis = plt.subplots(figsize=(9, 4.5), layout="constrained")
distances = [quality["frechet_distance"] for _, quality in runs.values()]
bars = axis.barh(list(runs), distances)
errors = [quality["error_rate"] for _, quality in runs.values()]
axis.bar_label(bars, [f" {d:.0f}; {e:.0%} errors" for d, e in zip(distances, errors)], fontsize=9)
axis.axvline(floor, color="black", linestyle="--", label=f"floor: {floor:.1f}")
axis.set(title=f"{IMAGES:,} images, one run each", ylabel="loss, penalties", xscale="log")
axis.set(xlabel="Frechet distance (lower is better)", xlim=(None, 5 * max(distances)))
axis.invert_yaxis()
figure.legend(loc="outside upper right")
plt.show()

# %% [markdown]
# The samples of each recipe follow. The columns are the classes 0 to 9.

# %%
figure, axes = plt.subplots(2, 4, figsize=(13, 4.6), layout="constrained")
for axis, (name, (generator, _)) in zip(axes.flat, runs.items()):
    axis.imshow(images.grid(images.to_uint8(generate(generator, 50)), columns=10), cmap="gray")
    axis.set_title(name, fontsize=11)
    axis.axis("off")
figure.suptitle("The same latents and classes, 0 to 9 from left to right")
plt.show()

# %% [markdown]
# One bar stands out. `wasserstein` alone is far worse than with its penalty, as its D has no limit here either. But
# two conditional networks with similar learning rates do not collapse that easily: `minimax` and `non_saturating` do
# well without a penalty.
#
# Do not read too much into the order of the other bars. Each is a single run, and another seed would move every bar.
# Only large factors are meaningful. Read papers that compare losses in the same way. Long trainings are different: D
# becomes steeper all the time, and only a penalty keeps them stable.
#
# ## Summary
#
# * G is driven by the slope of its loss. Where D is confident, `minimax` has no slope.
# * Without a penalty, a D that learns fast becomes steep, and G covers only a few modes. A penalty on the slope of D
#   cured this in the plane. It mattered more than the choice of the loss.
# * R1 and R2 make D flat at real points and fakes. `wgan_gp` and `dragan` keep its slope near 1.
# * `gan train --loss hinge --penalties r1 r2` selects them on the command line. A custom loss is a class with two
#   methods.
