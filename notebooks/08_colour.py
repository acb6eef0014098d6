# %% [markdown]
# # Color, little data, and a report without a classifier
#
# Digits are gray, there are 60,000 of them, and a classifier for them comes with the package. Your own images are
# probably in color and few, and no classifier knows them. This notebook goes through all three with a data set that
# anyone can build: emoji.
#
# **Needs:** a laptop; no GPU. The emoji come from npm the first time, or from a checkout of the repository without a
# network.
#
# **Takes:** about 6 minutes on two cores.
#
# **Afterwards you will know** how to see that a discriminator memorizes a small data set, and how adaptive
# augmentation (ADA) answers to it. You will know why a mirrored image in ADA is not the beginner's mistake of a
# mirrored digit. You will be able to read a report that no classifier made, and one of a classifier that errs itself.
# You will also know how to continue both networks on other images.

# %%
from importlib.util import find_spec

from IPython import get_ipython

if find_spec("gan") is None:  # for example in Colab
    get_ipython().run_line_magic("pip", 'install --quiet "gan-reference[emoji]"')

# %% tags=["parameters"] quick={"IMAGES": 640, "INTERVALS": 2, "OTHER_IMAGES": 320, "WIDTH": 4, "EPOCHS": 1, "NUM": 60}
CLASSES = ["smileys", "animals", "food"]  # classes of the first trainings
OTHER = ["travel"]  # classes that the networks learn afterwards
IMAGES = 64_000  # images that each GAN sees during training
INTERVALS = 10  # intervals of each training, each followed by a measurement
OTHER_IMAGES = 16_000  # images that each GAN of the other classes sees
WIDTH = 24  # filters of the narrowest layer of both networks
EPOCHS = 8  # passes of the classifier over the training images
NUM = 1_000  # samples that the classifier judges

# %%
from gan import start_tensorflow

print(start_tensorflow(seed=0))

# %%
import io
import json
import os
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
import platformdirs
from rich.console import Console
from scipy.ndimage import gaussian_filter

import gan
from gan import evaluate, generate, load_dataset, load_generator, tolerance, train

plt.rcParams.update({**gan.evaluation.STYLE, "figure.dpi": 72})  # many small pictures
warnings.filterwarnings("ignore", message=".*prove little")  # section 4 says it

# %% [markdown]
# ## 1. A data set in color that anyone can build
#
# In a terminal, `gan data emoji` fetches vector emoji of two styles and draws them at 32 x 32 pixels. Where that was
# done already, the next cell takes the result. Otherwise it draws into the folder of this notebook: the 64 emoji that
# belong to the tests of a checkout, or without a checkout all emoji from npm.


# %%
def find_emoji():
    """Returns the folder with the drawn emoji. Draws them if they are not there."""
    place = os.environ.get("GAN_DATA_DIR") or platformdirs.user_data_dir("gan-reference", appauthor=False)
    built = Path(place) / "emoji" / "about.json"
    if built.is_file() and {*CLASSES, *OTHER} <= {*json.loads(built.read_text("utf-8"))["class_names"]}:
        return built.parent
    packages = Path(gan.__file__).parents[1] / "tests" / "data" / "emoji-64"
    given = ["--from", str(packages)] if packages.is_dir() else []
    categories = ["--categories", *CLASSES, *OTHER]
    command = [sys.executable, "-m", "gan", "data", "emoji", *categories, *given, "--output", "emoji"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return Path("emoji")


folder = find_emoji()
about = json.loads((folder / "about.json").read_text("utf-8"))
for split, of_category in about["counts_by_split"].items():
    print(f"{split:10s}  {sum(of_category.values()):5,}:", *(f"{k} {n}," for k, n in of_category.items()))
left_out = ", ".join(f"{reason} {count:,}" for reason, count in about["left_out"].items())
print("left out:", left_out or "nothing")

# %% [markdown]
# Two things make this a data set rather than a folder of pictures.
#
# **The splits separate emoji, not pictures.** The same frog exists in two styles. If one were a training image and the
# other a test image, the test would be too easy. So the code points of an emoji alone decide its split, and the picture
# below shows each training emoji in both styles. (Your own images have the same trap: photos of the same object, frames
# of the same film, crops of the same scan.)
#
# **Each picture has a license.** `NOTICE.txt` in the folder says whom to name, and what each license asks for.

# %%
with np.load(folder / "images.npz") as archive:
    pictures, names, styles = (archive[f"{part}_train"] for part in ("x", "names", "styles"))
of_style = {style: dict(zip(names[styles == style], pictures[styles == style])) for style in about["styles"]}
in_all = sorted(set.intersection(*map(set, of_style.values())))
shown = in_all[:: max(1, len(in_all) // 16)][:16]


def show(axes, images, title="", columns=16):
    """Shows images, uint8 [N, H, W, C], as a grid."""
    axes.imshow(gan.images.grid(images, columns=columns))
    axes.set_title(title)
    axes.axis("off")


_, axes = plt.subplots(figsize=(9, 1.5), layout="constrained")
show(axes, np.stack([of_style[style][name] for style in of_style for name in shown]), " / ".join(of_style))
plt.show()
for package in about["packages"]:
    print(f"{package['title']} by {package['author']}, license {package['license']}")

# %% [markdown]
# The first trainings use three classes. A dataset is a frozen dataclass with three splits, so choosing classes needs
# no support from the package:

# %%
everything = load_dataset(str(folder / "images.npz"))


def choose(dataset, chosen):
    """Returns the images of some classes, in their splits."""
    numbers = [dataset.class_names.index(name) for name in chosen]
    parts = {}
    for name, split in dataset.splits.items():
        kept = split.take(np.flatnonzero(np.isin(split.labels, numbers)))
        parts[name] = replace(kept, labels=np.array([numbers.index(n) for n in kept.labels], np.int32))
    name, class_names = "-".join(chosen), tuple(chosen)
    return replace(dataset, name=name, num_classes=len(chosen), class_names=class_names, **parts)


dataset, other = choose(everything, CLASSES), choose(everything, OTHER)
_, axes = plt.subplots(len(CLASSES), 1, figsize=(8, 0.85 * len(CLASSES)), layout="constrained")
for label, (axis, name) in enumerate(zip(axes, CLASSES)):
    of_class = dataset.train.images[dataset.train.labels == label]
    show(axis, of_class[:: max(1, len(of_class) // 16)][:16], f"{name}: {len(of_class)} training images")
plt.show()
print(", ".join(f"{len(split)} {name}" for name, split in dataset.splits.items()), "images")

# %% [markdown]
# ## 2. Little data, and an augmentation that adapts
#
# With the full set, these three classes have 641 training images. A discriminator D with a few hundred thousand
# weights can learn them by heart. It then recognizes *these* images, and no longer tells the generator G what an
# emoji looks like.
#
# Augmentation shows D a different version of each image each time. But how much of it? Too little does not help, and
# too much makes the task harder than needed. **Adaptive** augmentation (ADA, arXiv:2006.06676) lets training decide.
# Each operation is applied to each image with a probability p, which starts at 0. If D gives more than 80 % of the
# (augmented) real images a logit above 0, it is too sure of them, and p rises; otherwise p falls.
#
# The next cell trains twice with the same seed. In a terminal:
#
# ```sh
# gan train emoji --augment flip integer_translation scale color --augment-probability ada --loss non_saturating
# ```
#
# A callback measures what D says about training images, about images that it has never seen, and about samples.

# %%
OPERATIONS = ("flip", "integer_translation", "scale", "color")


class Watcher(keras.callbacks.Callback):
    """Records the share of images that D calls real: training images, unseen images, samples."""

    def on_train_begin(self, logs=None):
        self.rows, self.probability, self.distance = [], [], []

    def on_epoch_end(self, epoch, logs=None):
        unseen, seen = dataset.validation, dataset.train.at_most(len(dataset.validation))
        batches = [(gan.classifier.as_input(split.images), split.labels) for split in (seen, unseen)]
        labels = unseen.labels
        batches += [(generate(self.model.generator, len(labels), seed=3, labels=labels), labels)]
        logits = [np.asarray(self.model.discriminator([*batch])) for batch in batches]
        self.rows.append([np.mean(values > 0) for values in logits])
        self.probability.append(float(logs.get("augment_probability", 0.0)))
        self.distance.append(float(logs.get("val_frechet_distance", np.nan)))


# %%
def train_gan(name, data, images, listeners=(), console=None, **options):
    """Trains a GAN with small networks. Returns the result of the run."""
    model = {key: options.pop(key) for key in ("augment", "augment_probability") if key in options}
    config = gan.config.TrainConfig(
        model=gan.config.ModelConfig(g_width=WIDTH, d_width=WIDTH, **model),
        optimization=gan.config.OptimizationConfig(
            images=images, batch_size=min(32, len(data.train)), learning_rate=2e-3, mismatched_labels=0.0
        ),
        precision="float32",
        eval_every=images // INTERVALS,
        **options,
    )
    console = console or Console(quiet=True)
    return train(config, dataset=data, output=f"runs/{name}", console=console, listeners=listeners)


variants = {"no augmentation": {}, "ADA": {"augment": OPERATIONS, "augment_probability": "ada"}}
watchers, runs = {name: Watcher() for name in variants}, {}
for name, options in variants.items():
    runs[name] = train_gan(name.replace(" ", "-"), dataset, IMAGES, [watchers[name]], **options)
    print(f"{name}: {runs[name].images:,} images")

# %% [markdown]
# The upper plots show what D says while it trains, the lower ones the probability p and the distance to images that
# neither network has seen:

# %%
_, axes = plt.subplots(2, 2, figsize=(10, 5.8), layout="constrained", sharex=True)
seen = IMAGES / INTERVALS * np.arange(1, INTERVALS + 1)
for axis, (name, watcher) in zip(axes[0], watchers.items()):
    for column, label in enumerate(("training images", "unseen images", "samples")):
        axis.plot(seen, np.array(watcher.rows)[:, column], label=label)
    axis.set(title=f"{name}: what D calls real", ylabel="share with a logit above 0", ylim=(-0.03, 1.03))
    axis.legend()
axes[1, 0].plot(seen, watchers["ADA"].probability, color="tab:purple")
axes[1, 0].set(title="ADA: the probability p of each operation", xlabel="images seen", ylabel="p")
for name, watcher in watchers.items():
    axes[1, 1].plot(seen, watcher.distance, label=name)
axes[1, 1].set(title="Samples and validation images", xlabel="images seen", ylabel="Frechet distance")
axes[1, 1].set_yscale("log")
axes[1, 1].legend()
plt.show()
for name, watcher in watchers.items():
    shares = "{:.0%} of training images, {:.0%} of unseen images, {:.0%} of samples".format(*watcher.rows[-1])
    print(f"{name}: D calls {shares} real")

# %% [markdown]
# To D, an unseen emoji should be as real as a training image, since both come from the same source. The gap between the
# upper two curves is what D knows by heart. (The callback shows D images as they are, without augmentation.) At the
# end, D calls nine of ten training images real, but only a quarter of the unseen ones.
#
# ADA does not close this gap, and it is not made for that. It keeps D from being *sure*: in the third plot, p rises
# when D starts to recognize its images, and stays at a few percent. That is enough to change what G learns. In the
# fourth plot, the distance without augmentation stops falling, while that with ADA goes on. One run of each proves
# nothing, and the difference is small after so few images. The benchmark `python -m benchmarks little-data` repeats it
# with wider networks, 500 training images, 160,000 images seen, and three seeds. There, the median Frechet distance is
# 9.3 times its floor without augmentation, and 5.0 times with ADA.
#
# The fourth plot compares samples with validation images after each interval. Section 4 explains what is compared. If p
# stays at 0 in your own run, D does not
# overfit: you have enough images, and ADA does nothing and costs nothing.

# %%
generators = {name: load_generator(run.folder) for name, run in runs.items()}
labels = np.repeat(np.arange(len(CLASSES)), 16)
_, axes = plt.subplots(2, 1, figsize=(7, 3.4), layout="constrained")
for axis, (name, generator) in zip(axes, generators.items()):
    samples = generate(generator, len(labels), seed=1, labels=labels)
    show(axis, gan.images.to_uint8(samples), f"{name}: samples, one class per row")
plt.show()

# %% [markdown]
# These are small networks after a minute of training, so expect blobs with faces, not emoji. What matters here is the
# difference between two runs that agree in everything else.
#
# ## 3. What D sees, and why it does not end up in the samples
#
# Each row shows the same training images as D sees them at another p: `flip` mirrors, `integer_translation` moves,
# `scale` zooms, `color` changes brightness, contrast, saturation and hue.

# %%
chosen = dataset.train.images[:: max(1, len(dataset.train) // 16)][:16]
levels = [0.0, 0.2, 0.5, 0.8, 1.0]
_, axes = plt.subplots(len(levels), 1, figsize=(8, 0.85 * len(levels)), layout="constrained")
for axis, p in zip(axes, levels):
    augment = gan.augment.get(OPERATIONS, probability=p)
    seen_by_d = np.asarray(augment(gan.classifier.as_input(chosen), np.array([0, 1])))
    show(axis, gan.images.to_uint8(seen_by_d), f"p = {p:g}")
plt.show()

# %% [markdown]
# A beginner's mistake is to mirror the *training data*. The mirrored digits are then what G shall imitate, and it does:
# half of its digits are mirrored. Why is `flip` not the same mistake here?
#
# G never sees an image. It learns through D, and D compares *augmented* real images with *augmented* samples. So G does
# not have to make augmented images. It has to make images that look like the real ones **after both were augmented**.
# The question is whether another G could pass this test. Take one that makes only mirrored emoji. With probability p
# an image is flipped, which mirrors it in half of the cases. So of the augmented real images, a share of 1 - p/2 is
# the right way round, and of the augmented mirrored samples a share of p/2:

# %%
p = np.linspace(0, 1, 101)
_, axes = plt.subplots(figsize=(7, 3), layout="constrained")
axes.plot(p, 1 - p / 2, label="real images, and a right G")
axes.plot(p, p / 2, label="a G that mirrors everything")
axes.axvspan(0.8, 1, color="tab:red", alpha=0.12, label="ADA does not go here")
axes.set(title="Share that is the right way round after `flip`", xlabel="p", ylabel="share", ylim=(0, 1.03))
axes.legend()
plt.show()

# %% [markdown]
# For every p below 1, the two lines differ, so D can tell such a G from a right one and corrects it. At **p = 1** they
# meet: mirrored or not, everything looks the same to D, and then the augmentation *leaks* into the samples. Close to 1,
# the difference is too small to learn from. Therefore ADA stops at 0.8.
#
# The same holds for `color`: at p = 1, all hues look alike to D, and G may choose any. One of our trial runs with p = 1
# ended with cyan samples only. So if you give a fixed probability, keep it below 1 for `flip`, `rotate90` and
# `color`:
#
# ```sh
# gan train emoji --augment flip color --augment-probability 0.5
# ```
#
# ## 4. A report without a classifier
#
# How good are the samples? Notebook 04 answers with the features of a digit classifier. For emoji, there is none.
# `evaluate` needs none: it then compares the outputs of a **fixed random network**, three convolutions that were never
# trained, and whose weights are the same on every machine. Each number stands beside the same number for real images,
# and the Frechet distance beside its floor. (About a hundred test images are few, so these numbers are imprecise.
# `evaluate` warns of that; the notebook hides the warning.)

# %%
reports = {name: evaluate(generator, dataset) for name, generator in generators.items()}
tables = [{row["name"]: row for row in gan.evaluation.rows(found.report)} for found in reports.values()]
print(f"{reports['ADA'].report.compared} samples and as many test images\n")
print(f"{'':24s}", *(f"{name:24s}" for name in [*reports, "real images"]))
for name, row in tables[0].items():
    print(f"{name:24s}", *(f"{table[name]['value']:24s}" for table in tables), row["real"])
for name, found in reports.items():
    report = found.report
    ratio, kind = report.frechet_in_floors, report.features.name
    print(f"\n{name}: Frechet distance {ratio:.1f} times its floor", end="")
    print(f"; features: {kind}; verdict: {report.verdict}", end="")

# %% [markdown]
# *Verdict: None* is the honest answer. Nobody said how many bad samples are acceptable (a tolerance), and nobody could
# say which sample is bad (a classifier). `gan evaluate` then prints its numbers and ends with status 0. A tolerance
# without a classifier is an error that names the command which makes one.
#
# What needs no features at all is often the most useful with little data: the nearest training image of each sample
# (to its right, below), and the share of copies. They show whether G has learned by heart what D knew by heart. The
# share is *not known* if most samples have the same few neighbors, as pale samples have the glass of milk. An estimate
# needs thirty different ones. Then the pictures have to do.

# %%
_, axes = plt.subplots(1, 2, figsize=(9, 2.6), layout="constrained")
for axis, (name, found) in zip(axes, reports.items()):
    axis.imshow(found.images["neighbours"])
    axis.set_title(f"{name}: samples, nearest images", fontsize=11)
    axis.axis("off")
plt.show()

# %% [markdown]
# What does a random network see? The next cell asks with real images: validation images, and the same ones damaged in
# one known way each. In a *chimera*, the left half is of one emoji and the right half of another one of the same
# class. The kernel distance is the number to look at, since it does not depend on the number of images.

# %%
real = gan.classifier.as_input(dataset.validation.images)
classes = dataset.validation.labels
partner = np.arange(len(real))
for label in range(len(CLASSES)):
    partner[classes == label] = np.roll(partner[classes == label], 1)
half = real.shape[2] // 2
damaged = {
    "real images": real,
    "chimeras": np.concatenate([real[:, :, :half], real[partner][:, :, half:]], axis=2),
    "upside down": real[:, ::-1],
    "blurred": gaussian_filter(real, (0, 1, 1, 0)),
    "red and blue exchanged": real[..., ::-1],
    "one image, repeated": np.repeat(real[:1], len(real), axis=0),
}
found = [gan.evaluation.evaluate_samples(images, classes, dataset).report for images in damaged.values()]
measured = [[one.metrics[key].value for key in ("kernel_distance", "coverage")] for one in found]
distances, coverages = np.array(measured, float).T  # nan if too few images make a number unknown

# %%
figure, axes = plt.subplots(1, 2, figsize=(11, 2.6), layout="constrained")
rows = np.concatenate([gan.images.to_uint8(images[:12]) for images in damaged.values()])
show(axes[0], rows, "Twelve images of each set", columns=12)
places = np.arange(len(damaged))[::-1]
bars = axes[1].barh(places, distances, color="tab:orange")
axes[1].bar_label(bars, [f" {d:.4f}, coverage {c:.2f}" for d, c in zip(distances, coverages)], fontsize=9)
axes[1].set(title="Kernel distance to test images", yticks=places, yticklabels=damaged)
axes[1].margins(x=0.6)
plt.show()

# %% [markdown]
# A random network sees what a picture is made of: color, contrast, texture, rough layout. It does not see what the
# picture shows. No person would accept a chimera or a face upside down, but their bars are nearly that of real images.
# Blurred images and exchanged colors stand out. So a report without a classifier can say that something is wrong. It
# cannot say that nothing is. Look at the samples too. With `--features FILE.keras`, any network that knows such images
# takes its place, for example one that was trained on photographs.
#
# ## 5. A classifier that errs
#
# The classes allow another way: train a classifier of one's own. In a terminal:
#
# ```sh
# gan train-classifier --dataset my-images --epochs 8 --output classifier
# gan evaluate runs/my-run --classifier classifier --tolerance 0.05
# ```
#
# The classifier of digits errs on less than one image in a hundred. What about smileys, animals and food, after a few
# epochs on a few hundred images?

# %%
config = gan.config.ClassifierConfig(width=16, blocks=1, epochs=EPOCHS, batch_size=32)
card = gan.classifier.make_classifier(config, "classifier", name="emoji-classifier", dataset=dataset)
print("accuracy:", ", ".join(f"{value:.1%} of {split} images" for split, value in card.accuracy.items()))

TOLERANCE = 0.05
report = evaluate(generators["ADA"], dataset, "classifier", num=NUM, tolerance=TOLERANCE).report
row = report.metrics["error_rate"]
print(f"verdict for a tolerance of {TOLERANCE:.0%}: {report.verdict}; reason: {report.undecided_because_of}")

# %% [markdown]
# The next plot shows the error rate of the generator beside the error rate of the same classifier on real test images,
# each with its 95 % interval. Below it stands the verdict that these two give for other tolerances.

# %%
of_samples = tolerance.ErrorRate(round(row.value * report.num), report.num)
rates = {"samples": of_samples, "real test images": report.real_rate}
_, axes = plt.subplots(figsize=(9, 2.4), layout="constrained")
for place, rate in enumerate(rates.values()):
    lower, upper = rate.interval
    axes.barh(place, rate.value, color="tab:orange" if place == 0 else "tab:gray")
    axes.plot([lower, upper], [place, place], color="black", marker="|")
    axes.text(upper, place, f"  {rate.value:.1%} of {rate.n:,}", va="center")
axes.axvline(TOLERANCE, color="tab:red", linestyle="--", label="tolerance")
axes.set(yticks=[0, 1], yticklabels=rates, xlabel="share that the classifier gets wrong", xlim=(0, 1))
axes.set_title("Who errs, the generator or the classifier?")
axes.legend()
plt.show()
for accepted in (0.01, 0.05, 0.2, 0.4, 0.8):
    found = tolerance.verdict(of_samples, accepted, real=report.real_rate)
    print(f"tolerance {accepted:4.0%}: {found}")

# %% [markdown]
# A perfect generator would also look wrong to this classifier, about as often as real images do. So below that rate,
# the verdict is `undecided`, whatever the samples look like: neither "do not ship it" nor "you may" is known. The way
# out is a better classifier (more epochs, wider, more images) or a higher tolerance. More samples do not help. (Above
# that rate, a report also asks for enough coverage before it says `within`.)
#
# The opposite mistake is as easy. If samples look *less* wrong than real images, G has not surpassed reality: look at
# them once more. It makes what this classifier takes for typical.
#
# ## 6. Fine-tuning both networks
#
# The networks now know shapes, outlines and colors. Does that help with other images? `init_from` starts from a run: G
# and D take its weights where they fit. Another number of classes is fine, since only the embedding of the classes
# starts anew. `freeze_d` keeps the first layers of D as they are (FreezeD, arXiv:2002.10964): they see edges and
# colors, which are the same everywhere, and fewer weights can learn fewer images by heart. In a terminal:
#
# ```sh
# gan train --dataset my-images --g-width 24 --d-width 24 --init-from runs/ADA --freeze-d 2 --images 16000
# ```
#
# The next cell trains on the other class twice, from the run with ADA and from scratch, on equally many images. It
# prints what `train` says about the weights that it takes.

# %%
log = Console(file=io.StringIO(), force_jupyter=False)
start_from = {"fine-tuned": {"init_from": "runs/ADA", "freeze_d": 2}, "from scratch": {}}
for name, options in start_from.items():
    folder_name = name.replace(" ", "-")
    runs[name] = train_gan(folder_name, other, OTHER_IMAGES, console=log, **variants["ADA"], **options)
said = log.file.getvalue().splitlines()
print(*(line for line in said if line.startswith(("init_from", "freeze_d"))), sep="\n")

# %%
_, axes = plt.subplots(3, 1, figsize=(7, 4), layout="constrained")
show(axes[0], other.train.images[:: max(1, len(other.train) // 32)][:32], "real images: " + ", ".join(OTHER))
for axis, name in zip(axes[1:], start_from):
    generator = load_generator(runs[name].folder)
    labels = np.arange(len(other.test)) % len(OTHER)
    samples = generate(generator, len(labels), seed=1, labels=labels)
    show(axis, gan.images.to_uint8(samples[:32]), f"{name}, {OTHER_IMAGES:,} images")
    for row in gan.evaluation.rows(gan.evaluation.evaluate_samples(samples, labels, other).report):
        if row["name"] in ("kernel_distance", "sliced_wasserstein", "coverage"):
            print(f"{name:14s} {row['name']:20s} {row['value']:24s} real images: {row['real']}")
plt.show()

# %% [markdown]
# Compare the numbers and the two sheets: shapes on a white ground against fog. The fine-tuned run had a head start of
# all the images of section 2, so it is not a fair race. It is the race that you have if a trained model of related
# images is at hand. The nearer these are to yours, the more it helps. If fine-tuning still shows the *old* classes
# after its training, it was too short, or too much was frozen.
#
# ## Summary
#
# * Split by object, not by picture, and keep the licenses with the images.
# * With few images, look at D: the gap between training images and unseen ones is what it knows by heart. ADA raises
#   the probability of augmentations until D is no longer sure of them, and keeps it at 0 if it never is.
# * An augmentation with a probability below 1 does not end up in the samples, not even a mirrored image. At 1, it does.
# * Without a classifier, read each number beside real images, look at neighbors and copies, and expect no verdict.
# * With a classifier of your own, first ask how often it errs on real images. No tolerance below that can be decided.
# * `init_from` continues both networks on other images, with another number of classes.
