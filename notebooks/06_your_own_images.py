# %% [markdown]
# # Your own images: a folder, another size, color, little data
#
# **Needs:** a laptop; no GPU, no network, no images: the notebook draws its own.
#
# **Takes:** about 5 minutes on two cores.
#
# **Afterwards you will know** how to train on a folder of your own images, and what happens to a damaged file. You
# will know how to detect that a discriminator has memorized a small dataset, and how much augmentation helps. You
# will also know how to sample from the run.

# %%
from importlib.util import find_spec

from IPython import get_ipython

if find_spec("gan") is None:  # for example in Colab
    get_ipython().run_line_magic("pip", "install --quiet gan-reference")

# %% tags=["parameters"] quick={"FILES": 240, "SMALL": 64, "IMAGES": 256, "INTERVALS": 2, "SAMPLES": 48}
FILES = 1_600  # images in the folder, half of them in each class
SMALL = 100  # training images of the small dataset
IMAGES = 40_000  # images that each GAN sees during training
INTERVALS = 20  # intervals of each training, each followed by an evaluation
SAMPLES = 500  # samples per measurement

# %%
from gan import start_tensorflow

print(start_tensorflow(seed=0))

# %%
import csv
import warnings
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image, ImageDraw
from rich.console import Console

import gan
from gan import GAN, Dataset, InputError, build_discriminator, build_generator, generate, load_dataset, train

plt.rcParams.update(gan.evaluation.STYLE)

# %% [markdown]
# ## A folder of images
#
# Usually you have your own images. Here the notebook draws them: fish in water, and flowers in a meadow. Each image
# is different, because position, size and colors are random. This makes success visible: a fish has its eye in the
# head and its tail at the other end, whatever its color.


# %%
def draw_fish(pen, rng):
    """Draws a fish in water that swims to the left or to the right."""
    pen.rectangle([0, 0, 240, 160], fill=tuple(rng.integers((10, 70, 130), (50, 130, 220)).tolist()))
    (x, y), (length, height) = rng.uniform((90, 60), (150, 100)), rng.uniform((45, 22), (65, 38))
    color = tuple(rng.integers((200, 60, 0), (256, 210, 70)).tolist())
    head = rng.choice([-1, 1])
    tail = x - 0.8 * head * length
    pen.polygon([(tail, y), (tail - 36 * head, y - 30), (tail - 36 * head, y + 30)], fill=color)
    pen.ellipse([x - length, y - height, x + length, y + height], fill=color)
    eye = x + 0.55 * head * length
    pen.ellipse([eye - 12, y - 18, eye + 12, y + 6], fill="white")
    pen.ellipse([eye - 6, y - 12, eye + 6, y], fill="black")


def draw_flower(pen, rng):
    """Draws a flower with six petals and a stem, in a meadow."""
    pen.rectangle([0, 0, 240, 160], fill=tuple(rng.integers((80, 150, 50), (150, 200, 90)).tolist()))
    x, y, size = rng.uniform((70, 55, 15), (170, 85, 22))
    pen.line([x, y, x + rng.uniform(-20, 20), 160], fill=(20, 90, 20), width=10)
    color = tuple(rng.integers((190, 40, 120), (256, 130, 256)).tolist())
    for angle in rng.uniform(0, np.pi / 3) + np.arange(6) * np.pi / 3:
        center_x, center_y = x + 1.6 * size * np.cos(angle), y + 1.6 * size * np.sin(angle)
        pen.ellipse([center_x - size, center_y - size, center_x + size, center_y + size], fill=color)
    pen.ellipse([x - size, y - size, x + size, y + size], fill=(250, 220, 40))


# %% [markdown]
# The folder has one subfolder per class. The files may be PNG, JPEG and many other formats, of any size. Our images
# are 240 pixels wide and 160 high. Half of them are PNG files, and half are JPEG files.

# %%
for number in range(FILES):
    kind, draw = [("fish", draw_fish), ("flower", draw_flower)][number % 2]
    file = Path("my-images") / kind / f"{number:04d}.{'png' if number % 4 < 2 else 'jpg'}"
    file.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", (240, 160))
    draw(ImageDraw.Draw(image), np.random.default_rng([0, number]))
    image.save(file)

for folder in sorted(Path("my-images").iterdir()):
    print(folder, len(list(folder.iterdir())), "files, such as", sorted(f.name for f in folder.iterdir())[0])

# %% [markdown]
# ## Load a folder with a damaged file
#
# Real folders contain damaged files. The next cell cuts one file in half. `load_dataset` skips it and names it in a
# warning. If more than one in a hundred files is damaged (`corrupt_share`), it raises an error, since something must
# be wrong with the folder.
#
# `image_size` is height and width. Each image is scaled until it covers this size, and then center-cropped.

# %%
damaged = sorted(Path("my-images/fish").iterdir())[3]
whole = damaged.read_bytes()
damaged.write_bytes(whole[: len(whole) // 2])

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    dataset = load_dataset("./my-images", image_size=(32, 48))
print("warning:", *(warning.message for warning in caught))

try:
    load_dataset("./my-images", image_size=(32, 48), corrupt_share=0.0)
except InputError as error:
    print("error:", error)

damaged.unlink()  # prevents the warning in the cells below

# %% [markdown]
# The dataset has three splits. The content of an image decides its split, not its file name: an image stays in its
# split if somebody renames the files.

# %%
print("height, width, channels:", dataset.image_shape, "; classes:", dataset.class_names)
print(", ".join(f"{len(getattr(dataset, s))} {s}" for s in ("train", "validation", "test")))


def show(axes, images, title, columns=12):
    """Shows images as a grid: uint8 [N, H, W, C]."""
    axes.imshow(gan.images.grid(images, columns=columns))
    axes.set_title(title)
    axes.axis("off")


_, axes = plt.subplots(figsize=(11, 2.6))
show(axes, dataset.train.images[:36], "Training images as the networks see them: 32 x 48 pixels in color")
plt.show()

# %% [markdown]
# ## Train
#
# `train` reads the folder and writes a run folder. The networks adapt to the image size: they halve 32 x 48 three
# times, down to 4 x 6. In a terminal, this cell would be
#
# ```sh
# gan train --dataset ./my-images --image-size 32x48 --augment translation --images 40000 --output runs/my-images
# ```

# %%
config = gan.config.TrainConfig(
    data=gan.config.DataConfig(dataset="./my-images", image_size="32x48"),
    model=gan.config.ModelConfig(augment=("translation",)),
    optimization=gan.config.OptimizationConfig(images=IMAGES),
    eval_every=IMAGES // INTERVALS,
)
run = train(config, output="runs/my-images", console=Console(quiet=True))
print(f"{run.images:,} images in {run.seconds:.0f} s; in the folder:")
print(*sorted(path.name for path in run.folder.iterdir()))

# %% [markdown]
# The run folder contains a grid of the same twenty samples for each interval. The next cell shows the first grid, an
# intermediate one, and the last. Each row is a class: fish above, flowers below.

# %%
grids = sorted(run.samples.parent.glob("*.png"))
_, axes = plt.subplots(3, 1, figsize=(11, 6.5))
for axis, file in zip(axes, [grids[0], grids[len(grids) // 4], grids[-1]]):
    axis.imshow(Image.open(file))
    axis.set_title(f"after {int(file.stem):,} images")
    axis.axis("off")
plt.tight_layout()
plt.show()

# %% [markdown]
# `log.csv` has one row per interval. The mean logits of real images and of samples show the state of the game. D
# moves them apart, and G moves them together. Neither should grow without limit.

# %%
with (run.folder / "log.csv").open() as file:
    rows = list(csv.DictReader(file))
seen = [int(row["images"]) for row in rows]
plt.figure(figsize=(8, 3))
for name, label in (("real_score", "real images"), ("fake_score", "samples")):
    plt.plot(seen, [float(row[name]) for row in rows], label=label)
plt.xlabel("images seen")
plt.ylabel("mean logit of D")
plt.title("Mean logits of training images and of samples")
plt.legend()
plt.show()

# %% [markdown]
# ## Sample from the run
#
# A run folder is a checkpoint. Request as many samples of a class as you like; sample 7 of seed 0 is always the same.
# In a terminal: `gan sample runs/my-images --num 24 --label 0 --out fish.png`.

# %%
generator = gan.load_generator(run.folder)
_, axes = plt.subplots(2, 1, figsize=(11, 4))
for label, (axis, name) in enumerate(zip(axes, dataset.class_names)):
    samples = gan.images.to_uint8(generate(generator, 24, seed=1, labels=label))
    show(axis, samples, f"labels={label}: {name}")
plt.show()

# %% [markdown]
# Are the samples new, or are they copies? The next plot shows each sample above the training image that is nearest to
# it, pixel by pixel. The same position and pose are not surprising with such a simple subject. The same image would
# be.
#
# `copied_share` is a number for this, with a confidence interval: 0 means that nothing is copied, and 1 that
# everything is. It is `nan` if too many images are alike to tell.


# %%
samples = generate(generator, SAMPLES, seed=2)
nearest = gan.metrics.nearest_neighbours(samples[:12], gan.classifier.as_input(dataset.train.images)).index
_, axes = plt.subplots(figsize=(11, 2.2))
pairs = np.concatenate([gan.images.to_uint8(samples[:12]), dataset.train.images[nearest]])
show(axes, pairs, "Samples (top) and the nearest training images (bottom)")
plt.show()
seen, unseen = (gan.classifier.as_input(split.images) for split in (dataset.train, dataset.test))
copied = gan.metrics.copied_share(samples, seen, unseen).values()
print("copied share: {:.2f} ({:.2f} to {:.2f})".format(*copied))

# %% [markdown]
# ## Little data
#
# Now suppose that only a small dataset is available. D then has an easy way out: it memorizes the few real images. It
# recognizes *these* images instead of learning what images look like, so G learns nothing from it.
#
# Images that D has never seen can measure this. While D uses the general appearance, it gives real images the same
# logits, whether they were used for training or not. If the two differ, D has memorized the training images. (This is
# overfitting, as in any classifier.) The callback below measures it after each interval.

# %%
small = dataset.train.at_most(SMALL)
unseen = dataset.test


class LogitRecorder(keras.callbacks.Callback):
    """Records the mean logits of D for training images, unseen images and samples."""

    def on_train_begin(self, logs=None):
        self.rows = []

    def on_epoch_end(self, epoch, logs=None):
        discriminator = self.model.discriminator
        real = [(gan.classifier.as_input(split.images), split.labels) for split in (small, unseen)]
        of_seen, of_unseen = (np.asarray(discriminator([*inputs])) for inputs in real)
        samples = generate(self.model.generator, len(unseen), seed=3)
        of_samples = np.asarray(discriminator([samples, np.arange(len(samples)) % 2]))
        self.rows.append([of_seen.mean(), of_unseen.mean(), of_samples.mean()])


print(f"{len(small)} training images, {len(unseen)} unseen images")

# %% [markdown]
# The next cells run the same training twice: without and with augmentation. Augmentation changes everything that D
# sees, **real images and fakes alike**, at random each time. It moves images (`translation`), changes their
# brightness (`brightness`), and covers a part (`cutout`).
#
# The fakes pass through the augmentation as well, so the generator does not learn to generate moved or covered
# images. (It would learn exactly that if only real images were augmented.)


# %%
def train_on_small(names):
    """Trains a GAN on the small dataset with these augmentations. Returns it and the recorded logits."""
    keras.utils.set_random_seed(0)
    networks = build_generator(dataset.image_shape, 64, 2), build_discriminator(dataset.image_shape, 2)
    model = GAN(*networks, augment=gan.augment.get(names), seed=0)
    adam = [keras.optimizers.Adam(2e-3, beta_1=0.0, beta_2=0.99) for _ in range(2)]
    model.compile(*adam)
    recorder, steps = LogitRecorder(), IMAGES // INTERVALS // 32
    data = small.batches(32, steps=steps * INTERVALS)
    model.fit(data, epochs=INTERVALS, steps_per_epoch=steps, callbacks=[recorder], shuffle=False, verbose=0)
    return model, np.array(recorder.rows)


variants = {"without augmentation": [], "with augmentation": ["brightness", "translation", "cutout"]}
trained = {variant: train_on_small(names) for variant, names in variants.items()}

# %%
_, axes = plt.subplots(1, 2, figsize=(11, 3.4), sharey=True)
seen = IMAGES / INTERVALS * np.arange(1, INTERVALS + 1)
for axis, (variant, (_, rows)) in zip(axes, trained.items()):
    for column, label in enumerate(("training images", "unseen images", "samples")):
        axis.plot(seen, rows[:, column], label=label)
    axis.set_title(f"{SMALL} training images, {variant}")
    axis.set_xlabel("images seen")
    axis.legend()
axes[0].set_ylabel("mean logit of D")
plt.show()
for variant, (_, rows) in trained.items():
    seen_logit, unseen_logit = rows[-1, 0], rows[-1, 1]
    difference = f"difference {seen_logit - unseen_logit:.2f}"
    print(f"{variant:20s}  training {seen_logit:6.2f}, unseen {unseen_logit:6.2f}, {difference}")

# %% [markdown]
# Look where the curve of the unseen images leaves the curve of the training images and approaches the curve of the
# samples. There D classifies real images as fakes, only because it does not know them. Compare the two plots, and the
# two lines below them. How far apart are the curves at the end, without and with augmentation?
#
# Next, look at the samples, and at the share that is copied from the small dataset.

# %%
_, axes = plt.subplots(2, 1, figsize=(11, 4))
for axis, (variant, (model, _)) in zip(axes, trained.items()):
    samples = generate(model.generator_ema, SAMPLES, seed=4)
    show(axis, gan.images.to_uint8(samples[:24]), f"{SMALL} training images, {variant}")
    splits = (small, dataset.test.at_most(SMALL))
    seen, held_out = (gan.classifier.as_input(split.images) for split in splits)
    copied = gan.metrics.copied_share(samples, seen, held_out).values()
    print(f"{variant}:", "copied share {:.2f} ({:.2f} to {:.2f})".format(*copied))
plt.show()

# %% [markdown]
# ## Without a folder: arrays and `.npz` files
#
# Images in arrays do not need files: use `Dataset.from_arrays(images, labels)`. An `.npz` file with the arrays
# `images` (uint8) and `labels` is loaded by its name, like a folder: `gan train --dataset my-images.npz`. The splits
# are the same as with the folder, because the content of an image decides its split.

# %%
splits = (dataset.train, dataset.validation, dataset.test)
everything = np.concatenate([split.images for split in splits])
labels = np.concatenate([split.labels for split in splits])
np.savez_compressed("my-images.npz", images=everything, labels=labels)

for again in (load_dataset("my-images.npz"), Dataset.from_arrays(everything, labels)):
    same = np.array_equal(again.test.images, dataset.test.images)
    print(f"{len(again.train)} training images; same test images as in the folder: {same}")

# %% [markdown]
# ## Summary
#
# * A folder with one subfolder per class is enough. Set the image size. A damaged file is skipped and named.
# * A run folder is a checkpoint: sample from it by its path.
# * With few images, watch the logits of *unseen* real images. If they differ from the logits of the training images,
#   D memorizes. Use augmentation, get more images, or stop earlier.
# * Metrics such as the Frechet distance need a classifier for these images; see notebook 04.
