# %% [markdown]
# # How good is a generator?
#
# A classifier has right and wrong answers. A generator does not: it generates digits that nobody has written before.
# There is nothing to compare them with, pixel by pixel. This notebook shows which numbers are meaningful
# nevertheless.
#
# **Needs:** a CPU. Nothing is trained: the generator and the digit classifier are pretrained. The notebook uses MNIST
# if it is available, and otherwise 5,000 digits that an installed package contains.
#
# **Takes:** about 3 minutes on two cores.
#
# **Afterwards you know** why the mean squared error is not a quality score. You know what the Frechet distance is,
# and why it must be next to its floor. You can interpret precision, recall, density and coverage. You also know how
# to detect a generator that copies, and what SSIM is useful for.

# %%
from importlib.util import find_spec

from IPython import get_ipython

if find_spec("gan") is None:  # for example in Colab
    get_ipython().run_line_magic("pip", "install --quiet gan-reference")

# %% tags=["parameters"] quick={"NUM": 300, "SIZES": [100, 300], "DRAWS": 2, "COPIES": 100}
NUM = 5_000  # generated images, and as many real images; fewer if the data has fewer
SIZES = [250, 500, 1_000, 2_500, 5_000]  # numbers of images for the distances
DRAWS = 5  # random draws of images for each of these numbers
COPIES = 1_000  # images in each set that is checked for copies, at most

# %%
from gan import start_tensorflow

print(start_tensorflow(seed=0))

import warnings

import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import gaussian_filter

import gan
from gan import generate, images, load_classifier, load_dataset, load_generator, metrics

plt.rcParams.update(gan.evaluation.STYLE)
rng = np.random.default_rng(0)
with warnings.catch_warnings(action="ignore"):  # hides the warning if 5,000 digits replace MNIST
    digits = load_dataset("mnist")
generator = load_generator("mnist")
extractor = gan.classifier.Extractor(load_classifier("mnist-classifier")[0])
print(digits.name, {split: len(getattr(digits, split)) for split in ("train", "validation", "test")})

# %% [markdown]
# ## 1. Why the mean squared error is not a quality score
#
# Many introductory tutorials compare a generated digit with a real one by the mean squared error (MSE) of the pixels,
# or by SSIM (structural similarity). The next cell computes both for a real 7 and five other images. These are the
# same 7 moved by three pixels, the same 7 blurred, and the mean of all training digits. The last two are another real
# 7, and a generated 7.

# %%
test, labels = gan.classifier.as_input(digits.test.images), digits.test.labels
seven, other = test[labels == 7][:2]
mean_digit = gan.classifier.as_input(digits.train.images.mean(axis=0))
variants = {
    "a real 7": seven,
    "moved by 3 pixels": np.roll(seven, 3, axis=1),
    "blurred": gaussian_filter(seven, (2, 2, 0)),
    "mean of all digits": mean_digit,
    "another real 7": other,
    "a generated 7": generate(generator, 1, labels=7)[0],
}
figure, axes = plt.subplots(1, len(variants), figsize=(13, 3), layout="constrained")
for axis, (name, image) in zip(axes, variants.items()):
    mse = np.mean((image - seven) ** 2)
    ssim = metrics.ssim_of_pairs(image[None], seven[None])[0]
    axis.imshow(image, cmap="gray", vmin=-1, vmax=1)
    axis.set_title(f"{name}\nMSE {mse:.2f}, SSIM {ssim:.2f}", fontsize=10)
    axis.axis("off")
figure.suptitle("Each image compared with the first one: lower MSE and higher SSIM mean more similar")
plt.show()

# %% [markdown]
# By MSE, the gray blur that is the mean of all digits is nearer to the 7 than the same 7 moved by three pixels. It is
# also nearer than another perfectly good 7. MSE asks "is this the same image?", and a blur is never very wrong.
#
# This is not an accident of one image. The image with the smallest mean squared error to a random digit *is* the mean
# of all digits. If you evaluate a generator by MSE, you therefore ask it to generate a blur. The next cell evaluates
# four "generators" by their MSE to randomly paired real digits, and by the Frechet distance of the next section.

# %%
size = min(NUM, len(digits.test), len(digits.validation))
chosen, chosen_others = (rng.permutation(len(split))[:size] for split in (digits.test, digits.validation))
real, real_labels = test[chosen], labels[chosen]
others = gan.classifier.as_input(digits.validation.images[chosen_others])
other_labels = digits.validation.labels[chosen_others]
reference = extractor.arrays(real)
generated = generate(generator, size, seed=1, labels=real_labels)
image_sets = {
    "mean of all digits": np.broadcast_to(mean_digit, real.shape),
    "random pixels": rng.uniform(-1, 1, real.shape).astype(np.float32),
    "pretrained generator": generated,
    "other real digits": others,
}
partner = rng.permutation(size)
print(f"{'':20s}  MSE to a random digit   SSIM to a random digit   Frechet distance")
for name, batch in image_sets.items():
    mse = np.mean((batch - real[partner]) ** 2)
    ssim = metrics.ssim_of_pairs(batch, real[partner]).mean()
    distance = gan.evaluation.quality(extractor, reference, extractor.arrays(batch))["frechet_distance"]
    print(f"{name:20s}  {mse:21.3f}  {ssim:23.3f}  {distance:17.1f}")

# %% [markdown]
# MSE prefers the same blur, repeated, to real handwriting. The Frechet distance ranks them correctly.
#
# MSE and SSIM are meaningful if two images *belong together*: a digit and its reconstruction, or an image and its
# nearest neighbor. In this package, the name of each such number says what was paired: `nearest_mse`,
# `reconstruction_ssim`, `pairwise_ssim`.

# %% [markdown]
# ## 2. The Frechet distance depends on the number of images
#
# Instead of single images, compare the two *distributions*. A digit classifier turns each image into 128 numbers, its
# features. The real images form one cloud of points, and the generated images form another. The Frechet distance fits
# a normal distribution to each cloud, and measures the distance between the two. It is zero if means and covariances
# are equal. (With the features of the Inception network, it is called FID. Ours uses the features of the pretrained
# digit classifier. It is a different number, so it has a different name.)
#
# There is a pitfall: **fewer images increase the distance**, since a covariance estimated from few points is
# inaccurate. Even real digits have a distance from other real digits. This distance is the *floor*. The next cells
# measure both at several numbers of images. The right plot shows the kernel distance, which does not have this bias.

# %%
pool = min(2 * SIZES[-1], len(digits.train))
indices = rng.permutation(len(digits.train))[:pool]
image_sets = {
    "pretrained generator": generate(generator, pool, seed=2, labels=digits.train.labels[indices]),
    "real training digits (floor)": gan.classifier.as_input(digits.train.images[indices]),
}
outputs = {name: extractor.arrays(batch) for name, batch in image_sets.items()}
all_test = extractor.arrays(test)


def measure_distances(name, count):
    """Yields the Frechet and kernel distance to all test digits for several random draws of images."""
    for _ in range(DRAWS):
        indices = rng.permutation(pool)[:count]
        drawn = {key: values[indices] for key, values in outputs[name].items()}
        frechet = gan.evaluation.quality(extractor, all_test, drawn)["frechet_distance"]
        yield frechet, metrics.kernel_distance(all_test["features"], drawn["features"])[0]


sizes = [count for count in SIZES if count <= pool]
distances = {name: np.array([list(measure_distances(name, n)) for n in sizes]) for name in image_sets}

# %%
figure, axes = plt.subplots(1, 2, figsize=(12, 4.5), layout="constrained")
for axis, column, metric in zip(axes, (0, 1), ("Frechet distance", "kernel distance (unbiased)")):
    for name, marker in zip(distances, "os"):
        values = distances[name][..., column]
        axis.errorbar(sizes, values.mean(axis=1), values.std(axis=1), marker=marker, capsize=4, label=name)
    axis.set(title=f"{metric} to {len(test):,} test digits", xlabel="number of images N", ylabel=metric)
    axis.set_xscale("log")
    axis.set_xticks(sizes, [f"{count:,}" for count in sizes])
    axis.minorticks_off()
    axis.legend()
axes[0].set_yscale("log")
axes[1].axhline(0, color="black", linewidth=0.8)
for count, distance, floor in zip(sizes, *(values[..., 0] for values in distances.values())):
    ratio = distance.mean() / floor.mean()
    print(f"N = {count:5,}: generator {distance.mean():6.2f}, floor {floor.mean():6.2f}, ratio {ratio:.1f}")
plt.show()

# %% [markdown]
# The same generator has a distance several times larger when it is measured with fewer images. Therefore:
#
# * A Frechet distance means nothing without its N and its extractor.
# * Report it next to its floor *at the same N*. `gan evaluate` prints both, and their ratio.
# * Even this ratio depends on N and, with few images, on chance. Use as many images as you can afford.
#
# The kernel distance keeps its value. With few images, it becomes uncertain (the bars), but not larger.

# %% [markdown]
# ## 3. Precision and recall, density and coverage
#
# A single number cannot say *what* is wrong. A generator can generate bad digits, or good ones without variety. The
# following metrics draw a ball around each real image in the feature space. It reaches to the fifth nearest neighbor.
# The metrics answer four questions:
#
# * **precision**: what share of the generated images lies in a ball of a real image? (Are they good?)
# * **recall**: what share of the real images lies in a ball of a *generated* image? (Is everything covered?)
# * **density**: how deep inside the distribution of real images are the generated images? (Like precision, but less
#   sensitive to outliers.)
# * **coverage**: what share of the real images has a generated image in its own ball? (Like recall, but harder to
#   fool.)
#
# The next cells take real digits and degrade them, each time in one known way. Watch which number changes.

# %%
low = np.flatnonzero(other_labels < 5)
degraded = {
    "real digits": others,
    "only classes 0 to 4": others[rng.choice(low, size)],
    "ten digits, repeated": others[[np.flatnonzero(other_labels == i % 10)[0] for i in range(size)]],
    "blurred (sigma 1.5)": gaussian_filter(others, (0, 1.5, 1.5, 0)),
    "noisy (sigma 0.6)": np.clip(others + rng.normal(0, 0.6, others.shape), -1, 1).astype(np.float32),
    "pretrained generator": generated,
    "pretrained, truncation 0.5": generate(generator, size, seed=1, labels=real_labels, truncation=0.5),
}
radii = metrics.squared_radii(reference["features"])
scores = {}
for name, batch in degraded.items():
    features = extractor.arrays(batch)["features"]
    scores[name] = metrics.precision_recall(reference["features"], features, real_radii=radii)

# %%
figure, axes = plt.subplots(1, 4, figsize=(13, 4), sharey=True, layout="constrained")
positions = np.arange(len(scores))[::-1]
for axis, metric in zip(axes, ("precision", "recall", "density", "coverage")):
    values = [row[metric] for row in scores.values()]
    axis.barh(positions, values, color=["tab:gray", *["tab:blue"] * 4, *["tab:orange"] * 2])
    for position, value in zip(positions, values):
        axis.text(value, position, f" {value:.2f}", va="center", fontsize=9)
    axis.set(title=metric, xlabel="share" if metric != "density" else "balls per image / 5", xlim=(0, None))
    axis.set_xlim(0, 1.25 * max(values))
axes[0].set_yticks(positions, scores)
axes[0].set_ylabel("image set")
figure.suptitle(f"{size:,} images per set, compared with {size:,} test digits")
plt.show()

# %% [markdown]
# Read the plot row by row.
#
# * *Only classes 0 to 4*: each image is good, so precision hardly changes. Half of the real images have nothing
#   near them, so recall and coverage fall.
# * *Ten digits, repeated*: the images are good, so precision does not show a problem here either. Coverage is
#   nearly zero.
# * *Blurred* and *noisy*: the images are bad, so precision and density fall.
# * *Truncation 0.5*: latents nearer to zero give typical digits with less variety. Look at recall and coverage.
#
# You therefore need two numbers: one for quality and one for coverage. The next cell shows the images:

# %%
examples = np.concatenate([batch[:12] for batch in degraded.values()])
figure, axis = plt.subplots(figsize=(10, 6), layout="constrained")
axis.imshow(images.grid(images.to_uint8(examples), columns=12), cmap="gray")
axis.set_yticks([15 + 30 * i for i in range(len(degraded))], degraded)
axis.set(title="Twelve images of each set", xticks=[], ylabel="image set")
axis.grid(visible=False)
plt.show()

# %% [markdown]
# ## 4. Nearest neighbors, and a generator that copies
#
# The best Frechet distance belongs to a "generator" that returns random training images. None of the numbers so far
# detects it. So find the training image that is nearest to each generated image. Suppose that somebody trained on a
# few thousand digits, and we receive one of these sets:
#
# * a **copier**: training images with a little noise,
# * a **half copier**: half of the images are such copies, the other half are new real digits,
# * **blurred new digits**: real digits that were not used for training, blurred. They are not copies.
# * **new digits**. They are not copies either.
#
# The pretrained generator is compared with all training digits that are available.

# %%
train, unseen = (gan.classifier.as_input(part.images) for part in (digits.train, digits.validation))
unseen = unseen[rng.permutation(len(unseen))]
held_out, new = np.array_split(unseen, 2)
small_train, new = train[rng.permutation(len(train))[: len(held_out)]], new[:COPIES]
copies = small_train[rng.permutation(len(small_train))[: len(new)]] + rng.normal(0, 0.1, new.shape)
copies = np.clip(copies, -1, 1).astype(np.float32)
is_copy = np.arange(len(new))[:, None, None, None] % 2 == 0
image_sets = {
    "copier": (copies, small_train, held_out),
    "half copier": (np.where(is_copy, copies, new), small_train, held_out),
    "blurred new digits": (gaussian_filter(new, (0, 1, 1, 0)), small_train, held_out),
    "new digits": (new, small_train, held_out),
    "pretrained generator": (generate(generator, len(new), seed=3), train, unseen),
}
print(f"{'':20s}  MSE to the nearest training image   copied_share (95 % interval)")
nearest = {}
for name, (batch, seen, not_seen) in image_sets.items():
    nearest[name] = metrics.nearest_neighbours(batch, seen)
    share, lower, upper = metrics.copied_share(batch, seen, not_seen).values()
    print(f"{name:20s}  {nearest[name].mse.mean():33.3f}   {share:5.2f} ({lower:.2f} to {upper:.2f})")

# %% [markdown]
# The distance to the nearest training image alone is misleading. Blurred digits are nearer to their neighbors than
# sharp digits are, but are not copies. `copied_share` therefore asks another question. Is the nearest image a
# training image, or one of equally many images that were not used for training? Without copies, both happen equally
# often, blurred or not.
#
# The result is the share of images that are copies, with a confidence interval. It is near 1 for the copier, near one
# half for the half copier, and near 0 without copies. An interval that contains 0 is not evidence of copying. A wide
# interval does not prove the contrary either.

# %%
figure, axes = plt.subplots(1, len(image_sets), figsize=(13, 6.2), layout="constrained")
for axis, (name, (batch, seen, _)) in zip(axes, image_sets.items()):
    pairs = np.stack([batch[:8], seen[nearest[name].index[:8]]], axis=1).reshape(-1, *train.shape[1:])
    axis.imshow(images.grid(images.to_uint8(pairs), columns=2), cmap="gray")
    axis.set_title(name, fontsize=11)
    axis.set(xticks=[16, 46], xticklabels=["image", "nearest"], yticks=[])
    axis.grid(visible=False)
figure.suptitle("Each image (left) and the nearest training image (right)")
plt.show()

# %% [markdown]
# ## 5. SSIM as a measure of variety
#
# SSIM is useful here. Take two images *of the same class* from one set: how similar are they? If a generator returns
# nearly the same 7 each time, its pairs are more similar than pairs of real sevens. `pairwise_ssim` is the mean over
# random pairs of one class. It is neither good nor bad by itself: compare it with the value for real digits.

# %%
classes = np.arange(size) % 10
one_each = generate(generator, 10, seed=4)[classes]
one_each += 0.1 * rng.normal(size=one_each.shape).astype(np.float32)
image_sets = {
    "real digits": (real, real_labels),
    "pretrained generator": (generated, real_labels),
    "pretrained, truncation 0.5": (degraded["pretrained, truncation 0.5"], real_labels),
    "one image per class, with noise": (one_each, classes),
}
ssim = {name: metrics.pairwise_ssim(*images_and_labels) for name, images_and_labels in image_sets.items()}
figure, axis = plt.subplots(figsize=(8, 3), layout="constrained")
bars = axis.barh(list(ssim)[::-1], list(ssim.values())[::-1], color=["tab:orange"] * 3 + ["tab:gray"])
axis.bar_label(bars, fmt=" %.3f")
axis.set(title="Similarity of images of the same class", xlabel="mean SSIM of pairs (higher: less variety)")
axis.set(xlim=(0, 1), ylabel="image set")
plt.show()

# %% [markdown]
# The last bar shows *mode collapse* inside each class: the two images of a pair are nearly the same. (The noise keeps
# the value below 1.) Truncation also costs some variety. A generator can reach the value of real digits here and
# still generate bad images: this metric only measures variety.

# %% [markdown]
# ## 6. All metrics in one report
#
# `gan evaluate mnist` on the command line, or `gan.evaluate(...)` in Python, computes all of these metrics on 10,000
# samples. Each number is next to the same number for real digits. The report adds the error rate with its confidence
# interval: how often the classifier does not recognize the requested digit. It writes a page for the browser
# (`report.html`) and a file for programs (`report.json`). This is the report of the pretrained generator:

# %%
report = gan.evaluation.load_report("mnist")
print(f"{report.num:,} samples, {report.reference}, sha256 {report.classifier_sha256[:12]}...\n")
print(f"{'':22s}  {'samples':26s}  {'real digits':26s}")
for row in gan.evaluation.rows(report):
    print(f"{row['name']:22s}  {row['value']:26s}  {row['real']:26s}")
print(f"\nFrechet distance: {report.frechet_in_floors:.1f} times its floor")
print(f"verdict for the tolerance {report.tolerance}: {report.verdict}")

# %% [markdown]
# ## Summary
#
# * MSE and SSIM compare two images that belong together. They say nothing about the quality of a generator.
# * A Frechet distance without its N, its extractor and its floor is not a result.
# * Precision falls when images are bad. Recall and coverage fall when some are missing. Look at both.
# * A copier has perfect quality. Only held-out data can expose it.
# * Notebook 5 continues with two questions: how often may a model be wrong, and how certain is that?
