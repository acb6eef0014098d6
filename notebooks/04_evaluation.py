# %% [markdown]
# # How good is a generator?
#
# A classifier has right and wrong answers. A generator has none: it draws digits that nobody has written before, so
# there is nothing to compare them with, pixel by pixel. This notebook shows which numbers say something all the same.
#
# **Needs:** a CPU. Nothing is trained: the generator and the digit classifier come with the package. MNIST is
# used where it is at hand, and otherwise the 5,000 digits that come with a package.
#
# **Takes:** about 3 minutes on two cores.
#
# **Afterwards you know** why the mean squared error is not a quality score; what the Fréchet distance is, and
# why it must stand beside its floor; what precision, recall, density and coverage tell apart; how one catches a
# generator that copies; and what SSIM is good for.

# %%
from importlib.util import find_spec

from IPython import get_ipython

if find_spec("gan") is None:  # as in Colab
    get_ipython().run_line_magic("pip", "install --quiet gan-reference")

# %% tags=["parameters"] quick={"NUM": 300, "SIZES": [100, 300], "DRAWS": 2, "COPIES": 100}
NUM = 5_000  # pictures on each side, where the data has so many
SIZES = [250, 500, 1_000, 2_500, 5_000]  # numbers of pictures that distances are measured with
DRAWS = 5  # of pictures, for each of these numbers
COPIES = 1_000  # pictures that may be copied

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
with warnings.catch_warnings(action="ignore"):  # where MNIST is not at hand, 5,000 digits take its place
    digits = load_dataset("mnist")
generator = load_generator("mnist")
extract = gan.classifier.Extractor(load_classifier("mnist-classifier")[0])
print(digits.name, {part: len(getattr(digits, part)) for part in ("train", "validation", "test")})

# %% [markdown]
# ## 1. Why the mean squared error is not a quality score
#
# Many first tutorials compare a drawn digit with a real one by the mean squared error (MSE) of the pixels, or by SSIM
# (structural similarity). Let us take a real 7 and ask both numbers about five other pictures: the same 7 moved by
# three pixels, the same 7 blurred, the mean of all training digits, another real 7, and a 7 from the generator.

# %%
test, labels = gan.classifier.as_input(digits.test.images), digits.test.labels
seven, other = test[labels == 7][:2]
mean_digit = gan.classifier.as_input(digits.train.images.mean(axis=0))
shown = {
    "a real 7": seven,
    "moved by 3 pixels": np.roll(seven, 3, axis=1),
    "blurred": gaussian_filter(seven, (2, 2, 0)),
    "mean of all digits": mean_digit,
    "another real 7": other,
    "a generated 7": generate(generator, 1, labels=7)[0],
}
figure, axes = plt.subplots(1, len(shown), figsize=(13, 3), layout="constrained")
for axis, (name, picture) in zip(axes, shown.items()):
    mse = np.mean((picture - seven) ** 2)
    ssim = metrics.ssim_of_pairs(picture[None], seven[None])[0]
    axis.imshow(picture, cmap="gray", vmin=-1, vmax=1)
    axis.set_title(f"{name}\nMSE {mse:.2f}, SSIM {ssim:.2f}", fontsize=10)
    axis.axis("off")
figure.suptitle("Distance of each picture from the first one: lower MSE and higher SSIM are nearer")
plt.show()

# %% [markdown]
# By MSE the grey smear that is the mean of all digits is nearer to the 7 than the very same 7 moved by three pixels,
# and nearer than another perfectly good 7. MSE asks "is this the same picture?", and a smear is never very wrong.
#
# That is no accident of one picture. The picture with the least mean squared error to a random digit *is* the mean of
# all digits. So a generator that is judged by MSE is told to draw a smear. Below, four "generators" are judged by
# their MSE to randomly paired real digits, and by the Fréchet distance of the next section.

# %%
size = min(NUM, len(digits.test), len(digits.validation))
chosen, more = (rng.permutation(len(part))[:size] for part in (digits.test, digits.validation))
real, real_labels = test[chosen], labels[chosen]
others, other_labels = gan.classifier.as_input(digits.validation.images[more]), digits.validation.labels[more]
reference = extract.arrays(real)
generated = generate(generator, size, seed=1, labels=real_labels)
sides = {
    "the mean digit, always": np.broadcast_to(mean_digit, real.shape),
    "random pixels": rng.uniform(-1, 1, real.shape).astype(np.float32),
    "the pretrained generator": generated,
    "other real digits": others,
}
partner = rng.permutation(size)
print(f"{'':24s}  MSE to a random digit   SSIM to it   Fréchet distance")
for name, pictures in sides.items():
    mse = np.mean((pictures - real[partner]) ** 2)
    ssim = metrics.ssim_of_pairs(pictures, real[partner]).mean()
    distance = gan.evaluation.quality(extract, reference, extract.arrays(pictures))["frechet_distance"]
    print(f"{name:24s}  {mse:21.3f}  {ssim:11.3f}  {distance:17.1f}")

# %% [markdown]
# MSE prefers one smear, drawn again and again, to real handwriting. The Fréchet distance puts them in the right order.
#
# MSE and SSIM do mean something where two pictures *belong together*: a digit and its reconstruction, or a picture
# and its nearest neighbour. That is why every such number in this package says in its name what was paired:
# `nearest_mse`, `reconstruction_ssim`, `pairwise_ssim`.

# %% [markdown]
# ## 2. The Fréchet distance, and how it depends on the number of pictures
#
# Instead of comparing pictures one by one, compare the two *crowds*. A digit classifier turns each picture into 128
# numbers, its features. The real pictures make one cloud of points, the generated ones another. The Fréchet distance
# fits a normal distribution to each cloud and says how far apart these are; it is zero when means and covariances
# agree. (With the features of the Inception network it is called FID. Ours are those of the pretrained digit
# classifier, so it is another number, and has another name.)
#
# It has a trap: **few pictures make it larger**, since a covariance that is estimated from few points is wrong by
# itself. Even real digits are at some distance from real digits. That distance is the *floor*. Below both sides are
# measured at several numbers of pictures; on the right, the kernel distance, which has no such bias.

# %%
pool = min(2 * SIZES[-1], len(digits.train))
drawn = rng.permutation(len(digits.train))[:pool]
crowds = {
    "the pretrained generator": generate(generator, pool, seed=2, labels=digits.train.labels[drawn]),
    "real training digits: the floor": gan.classifier.as_input(digits.train.images[drawn]),
}
outputs = {name: extract.arrays(pictures) for name, pictures in crowds.items()}
everything = extract.arrays(test)


def draws(side, count):
    """Frechet and kernel distance of several random draws of so many pictures to all test digits."""
    for _ in range(DRAWS):
        rows_drawn = rng.permutation(pool)[:count]
        part = {key: values[rows_drawn] for key, values in outputs[side].items()}
        frechet = gan.evaluation.quality(extract, everything, part)["frechet_distance"]
        yield frechet, metrics.kernel_distance(everything["features"], part["features"])[0]


sizes = [count for count in SIZES if count <= pool]
found = {side: np.array([list(draws(side, count)) for count in sizes]) for side in crowds}

# %%
figure, axes = plt.subplots(1, 2, figsize=(12, 4.5), layout="constrained")
for axis, column, name in zip(axes, (0, 1), ("Fréchet distance", "kernel distance (unbiased)")):
    for side, marker in zip(found, "os"):
        values = found[side][..., column]
        axis.errorbar(sizes, values.mean(axis=1), values.std(axis=1), marker=marker, capsize=4, label=side)
    axis.set(title=f"{name} to {len(test):,} test digits", xlabel="number of pictures N", ylabel=name)
    axis.set_xscale("log")
    axis.set_xticks(sizes, [f"{count:,}" for count in sizes])
    axis.minorticks_off()
    axis.legend()
axes[0].set_yscale("log")
axes[1].axhline(0, color="black", linewidth=0.8)
for count, fake, floor in zip(sizes, *(found[side][..., 0] for side in crowds)):
    ratio = fake.mean() / floor.mean()
    print(f"N = {count:5,}: generator {fake.mean():6.2f}, floor {floor.mean():6.2f} = {ratio:.1f} floors")
plt.show()

# %% [markdown]
# The same generator has a distance several times larger when one looks at fewer pictures. Therefore
#
# * a Fréchet distance means nothing without its N and its extractor;
# * it belongs beside its floor *at the same N*. `gan evaluate` prints both, and how many floors it is;
# * even that ratio depends on N and, with few pictures, on luck. Use as many as you can afford.
#
# The kernel distance keeps its value; with few pictures it becomes uncertain (the bars), but not larger.

# %% [markdown]
# ## 3. Precision and recall, density and coverage
#
# One number cannot say *what* is wrong. A generator can draw bad digits, or good ones with no variety. So one draws a
# ball around each real picture, in the space of features, as far as its fifth neighbour, and asks:
#
# * **precision**: what share of the generated pictures lies inside a real one's ball? (are they good?)
# * **recall**: what share of the real pictures lies inside a *generated* one's ball? (is everything there?)
# * **density**: how deep inside the crowd of reals are the generated ones? (like precision, but outliers count less)
# * **coverage**: what share of the reals has a generated picture in its own ball? (like recall, but harder to fool)
#
# We take real digits and spoil them, each time in one known way. Watch which number moves.

# %%
low = np.flatnonzero(other_labels < 5)
spoilt = {
    "real digits": others,
    "only the classes 0 to 4": others[rng.choice(low, size)],
    "ten digits, again and again": others[[np.flatnonzero(other_labels == i % 10)[0] for i in range(size)]],
    "blurred (sigma 1.5)": gaussian_filter(others, (0, 1.5, 1.5, 0)),
    "noisy (sigma 0.6)": np.clip(others + rng.normal(0, 0.6, others.shape), -1, 1).astype(np.float32),
    "the pretrained generator": generated,
    "the same, truncation 0.5": generate(generator, size, seed=1, labels=real_labels, truncation=0.5),
}
radii = metrics.squared_radii(reference["features"])
numbers = {}
for name, pictures in spoilt.items():
    features = extract.arrays(pictures)["features"]
    numbers[name] = metrics.precision_recall(reference["features"], features, real_radii=radii)

# %%
figure, axes = plt.subplots(1, 4, figsize=(13, 4), sharey=True, layout="constrained")
places = np.arange(len(numbers))[::-1]
for axis, what in zip(axes, ("precision", "recall", "density", "coverage")):
    values = [row[what] for row in numbers.values()]
    axis.barh(places, values, color=["tab:gray", *["tab:blue"] * 4, *["tab:orange"] * 2])
    for place, value in zip(places, values):
        axis.text(value, place, f" {value:.2f}", va="center", fontsize=9)
    axis.set(title=what, xlabel="share" if what != "density" else "reals around one, over 5", xlim=(0, None))
    axis.set_xlim(0, 1.25 * max(values))
axes[0].set_yticks(places, numbers)
axes[0].set_ylabel("what is judged")
figure.suptitle(f"{size:,} pictures of each kind against {size:,} test digits")
plt.show()

# %% [markdown]
# Read it row by row.
#
# * *Only the classes 0 to 4*: every picture is good, so precision hardly moves. Half of the reals have nothing near
#   them, so recall and coverage fall.
# * *Ten digits, again and again*: precision sees nothing wrong with good pictures, either. Coverage is nearly zero.
# * *Blurred* and *noisy*: the pictures are bad, so precision and density fall.
# * *Truncation 0.5*: latents nearer to zero give the typical digits, with less variety. Look at recall and coverage.
#
# So one number for "good" and one for "everything there" belong together. Here are the pictures themselves:

# %%
examples = np.concatenate([pictures[:12] for pictures in spoilt.values()])
figure, axis = plt.subplots(figsize=(10, 6), layout="constrained")
axis.imshow(images.grid(images.to_uint8(examples), columns=12), cmap="gray")
axis.set_yticks([15 + 30 * i for i in range(len(spoilt))], spoilt)
axis.set(title="Twelve of each kind", xticks=[], ylabel="what is judged")
axis.grid(visible=False)
plt.show()

# %% [markdown]
# ## 4. Nearest neighbours, and a generator that copies
#
# The best Fréchet distance of all has a "generator" that draws its training images from a hat. No number so far
# objects. So one looks for the training image that is nearest to each generated picture. Suppose that somebody trained
# on a few thousand digits, and we are shown
#
# * a **copier**: training images with a little noise,
# * a **half copier**: half of the pictures are such copies, the other half are new real digits,
# * **blurred new digits**: real digits that nobody trained on, blurred. They copy nothing,
# * **new digits**. They copy nothing, either.
#
# The pretrained generator is compared with all the training digits that are at hand.

# %%
train, unseen = (gan.classifier.as_input(part.images) for part in (digits.train, digits.validation))
unseen = unseen[rng.permutation(len(unseen))]
held_out, new = np.array_split(unseen, 2)
few, new = train[rng.permutation(len(train))[: len(held_out)]], new[:COPIES]
copies = few[rng.permutation(len(few))[: len(new)]] + rng.normal(0, 0.1, new.shape)
copies = np.clip(copies, -1, 1).astype(np.float32)
every_second = np.arange(len(new))[:, None, None, None] % 2 == 0
suspects = {
    "the copier": (copies, few, held_out),
    "the half copier": (np.where(every_second, copies, new), few, held_out),
    "blurred new digits": (gaussian_filter(new, (0, 1, 1, 0)), few, held_out),
    "new digits": (new, few, held_out),
    "the pretrained generator": (generate(generator, len(new), seed=3), train, unseen),
}
print(f"{'':22s}  MSE of the nearest training image   copied_share (95 % interval)")
nearest = {}
for name, (pictures, known, unknown) in suspects.items():
    nearest[name] = metrics.nearest_neighbours(pictures, known)
    share, lower, upper = metrics.copied_share(pictures, known, unknown).values()
    print(f"{name:22s}  {nearest[name].mse.mean():33.3f}   {share:5.2f} ({lower:.2f} to {upper:.2f})")

# %% [markdown]
# The distance to the nearest training image alone misleads: blurred digits are nearer to their neighbours than sharp
# ones are, and copy nothing. `copied_share` therefore asks another question: is the nearest image one of the training
# images, or one of just as many that nobody trained on? Who copies nothing meets both equally often, blurred or not.
# The answer is the share of pictures that are copies, with an interval: near 1 for the copier, near one half for the
# half copier, and near 0 for those that copy nothing. An interval that holds 0 is no sign of copying; a wide one is
# no proof of the contrary, either.

# %%
figure, axes = plt.subplots(1, len(suspects), figsize=(13, 6.2), layout="constrained")
for axis, (name, (pictures, known, _)) in zip(axes, suspects.items()):
    pairs = np.stack([pictures[:8], known[nearest[name].index[:8]]], axis=1).reshape(-1, *train.shape[1:])
    axis.imshow(images.grid(images.to_uint8(pairs), columns=2), cmap="gray")
    axis.set_title(name, fontsize=11)
    axis.set(xticks=[16, 46], xticklabels=["picture", "nearest"], yticks=[])
    axis.grid(visible=False)
figure.suptitle("Each picture, and the training image that is nearest to it")
plt.show()

# %% [markdown]
# ## 5. SSIM as a measure of variety
#
# Here SSIM has its use. Take two pictures *of the same class* from one crowd: how alike are they? If a generator draws
# nearly the same 7 each time, its pairs are more alike than pairs of real sevens. `pairwise_ssim` is the mean over
# random pairs of one class. It is neither good nor bad by itself: it belongs beside the number of real digits.

# %%
asked = np.arange(size) % 10
one_each = generate(generator, 10, seed=4)[asked]
one_each += 0.1 * rng.normal(size=one_each.shape).astype(np.float32)
crowds = {
    "real digits": (real, real_labels),
    "the pretrained generator": (generated, real_labels),
    "truncation 0.5": (spoilt["the same, truncation 0.5"], real_labels),
    "one picture a class, with noise": (one_each, asked),
}
alike = {name: metrics.pairwise_ssim(*side) for name, side in crowds.items()}
figure, axis = plt.subplots(figsize=(8, 3), layout="constrained")
bars = axis.barh(list(alike)[::-1], list(alike.values())[::-1], color=["tab:orange"] * 3 + ["tab:gray"])
axis.bar_label(bars, fmt=" %.3f")
axis.set(title="How alike are two pictures of one class?", xlabel="mean SSIM of pairs (higher: less variety)")
axis.set(xlim=(0, 1), ylabel="what is judged")
plt.show()

# %% [markdown]
# The last bar is what a *mode collapse* inside each class looks like: every pair is nearly one picture twice (the noise
# keeps them from 1). Truncation costs variety, too, in a small way. And a generator can be on the level of real digits
# with this number and still draw bad ones: variety is all that it measures.

# %% [markdown]
# ## 6. All of it at once
#
# `gan evaluate mnist` on the command line, or `gan.evaluate(...)` in Python, computes all of this on 10,000 pictures,
# each number beside the same number for real digits, and adds the error rate with its confidence interval: how often
# the classifier does not see the digit that was asked for. It writes a page that one can read in a browser
# (`report.html`) and the same for programs (`report.json`). This is the report of the pretrained generator:

# %%
report = gan.evaluation.load_report("mnist")
print(f"{report.num:,} samples, {report.reference}, sha256 {report.classifier_sha256[:12]}...\n")
print(f"{'':22s}  {'samples':26s}  {'real digits':26s}")
for row in gan.evaluation.rows(report):
    print(f"{row['name']:22s}  {row['value']:26s}  {row['real']:26s}")
print(f"\n{report.frechet_in_floors:.1f} floors from the data;", end=" ")
print(f"verdict on a tolerance of {report.tolerance}: {report.verdict}")

# %% [markdown]
# ## What to remember
#
# * MSE and SSIM compare two pictures that belong together. They say nothing about a generator's quality.
# * A Fréchet distance without its N, its extractor and its floor is no result.
# * Precision falls when pictures are bad, recall and coverage fall when some are missing. Look at both.
# * A copier has perfect quality. Only held-out data can expose it.
# * Notebook 5 goes on: how wrong may a model be, and how sure are we?
