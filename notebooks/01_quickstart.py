# %% [markdown]
# # Quickstart: draw digits, then train your own
#
# A *generator* is a network that turns random numbers into pictures. This package comes with one that draws
# handwritten digits. First you use it; then you train another one like it, and watch it learn.
#
# **Needs:** a laptop. No GPU, no network.
# **Takes:** about 2 minutes on two cores, most of it the training.
# **Afterwards you know** how to draw the digits you want, what latent space is, how to train a GAN in ten lines, how
# to tell whether it learns, and how to save what it learned.

# %%
from importlib.util import find_spec

from IPython import get_ipython

if find_spec("gan") is None:  # as in Colab
    get_ipython().run_line_magic("pip", "install --quiet gan-reference")

# %% tags=["parameters"] quick={"INTERVALS": 2, "STEPS": 4, "JUDGED": 200, "PRESET_IMAGES": 128}
INTERVALS = 6  # the training is looked at so many times
STEPS = 250  # of training from one look to the next
JUDGED = 1_000  # pictures that are judged at each look
PRESET_IMAGES = 6_400  # images that the last training, with a preset, sees

# %% [markdown]
# `start_tensorflow` loads TensorFlow without the lines that it prints otherwise, and seeds all random numbers.

# %%
from gan import start_tensorflow

print(start_tensorflow(seed=0))

import keras
import matplotlib.pyplot as plt
import numpy as np

import gan
from gan import images, metrics, tolerance


def show(pictures, title, *, columns=10, across="", down=""):
    """Shows pictures [N, H, W, 1] in [-1, 1] side by side."""
    grid = images.grid(images.to_uint8(pictures), columns)
    plt.figure(figsize=(0.75 * columns, 0.75 * len(pictures) / columns + 0.6))
    plt.imshow(grid[..., 0], cmap="gray", vmin=0, vmax=255)
    plt.title(title)
    plt.xlabel(across)
    plt.ylabel(down)
    plt.xticks([])
    plt.yticks([])
    plt.show()


# %% [markdown]
# ## Draw
#
# `load_generator` loads a generator by the name of a pretrained one, by a file, or by the folder of a training run. It
# is an ordinary Keras model. `generate` draws with it: pictures are `float32` in [-1, 1], black is -1 and white is 1.
#
# Where nothing is said about classes, picture 0 is a 0, picture 1 is a 1, and so on; after the 9 it begins again.

# %%
generator = gan.load_generator("mnist")
pictures = gan.generate(generator, 100, seed=0)
print(pictures.shape, pictures.dtype, f"from {pictures.min():.2f} to {pictures.max():.2f}")
show(pictures, "100 digits that nobody wrote", across="class 0 to 9", down="ten of each")

# %% [markdown]
# ## Ask for a 7
#
# The generator is *conditional*: it takes the class as a second input. `labels=7` asks for sevens only; a list asks for
# one digit each.

# %%
show(gan.generate(generator, 20, seed=0, labels=7), "Twenty sevens")
date = [2, 0, 1, 4, 0, 6, 1, 0]  # the day the first paper on GANs appeared: 10 June 2014
show(gan.generate(generator, 8, seed=12, labels=date), "Digits in the order you like", columns=8)

# %% [markdown]
# A picture belongs to a *seed* and a *number*. Picture 7 of seed 0 is the same picture today and tomorrow, drawn alone
# or among a million. So you can say to somebody else which picture you mean.

# %%
alone = gan.generate(generator, 1, seed=0, start=7)
print(f"largest difference to picture 7 of the first grid: {np.abs(alone[0] - pictures[7]).max():.1e}")

# %% [markdown]
# ## Walk through latent space
#
# The random numbers that a picture is made from are its *latents*, drawn from a normal distribution. Think of them as
# the coordinates of a point, in a space that has one dimension for each number. Nearby points give similar pictures.
# So one can walk from one picture to another, and each step on the way is a picture too.
#
# `interpolate` walks. With `labels=` the class stays, and what changes is the handwriting: slant, width, weight.

# %%
length = gan.networks.NetworkInputs.of(generator).latent_dim
latents = gan.latents(0, range(100), length)
print(f"{length} latents a picture; mean {latents.mean():.3f}, standard deviation {latents.std():.3f}")
walks = [gan.interpolate(generator, i, i + 1, 10, seed=1, labels=7) for i in range(4)]
show(np.concatenate(walks), "Four walks between sevens", across="step 1 to 10", down="walks")

# %% [markdown]
# Without `labels=` the class changes on the way too. Half-way between a 4 and a 9 there is something of both.

# %%
pairs = [(4, 9), (3, 8), (1, 7), (0, 6)]  # picture i is of class i
walks = [gan.interpolate(generator, first, second, 10, seed=0) for first, second in pairs]
show(np.concatenate(walks), "From 4 to 9, 3 to 8, 1 to 7 and 0 to 6", across="step 1 to 10", down="walks")

# %% [markdown]
# Are the steps of a walk digits as well, or only the ends? Another network, a classifier that was trained on real
# digits, can be asked. It reads the class of each picture, and says how sure it is. If it is about as sure of the steps
# as of the ends, then the generator has not learned single pictures, but what lies between them, too.

# %%
classifier, card = gan.load_classifier("mnist-classifier")
walks = np.concatenate([gan.interpolate(generator, i, i + 1, 10, seed=1, labels=7) for i in range(40)])
read, sure = gan.classifier.classify(classifier, walks)
ends = np.arange(len(walks)) % 10 % 9 == 0
for name, chosen in (("ends", ends), ("steps between", ~ends)):
    print(f"{name}: {np.mean(read[chosen] == 7):.1%} read as 7, mean probability {sure[chosen].mean():.3f}")

# %% [markdown]
# ## Train one yourself
#
# A GAN trains two networks against each other. The *discriminator* D is shown real digits and made ones, and learns to
# tell them apart. The *generator* G learns to make digits that D takes for real. G never sees a real digit: all that it
# knows about them, it knows from D.
#
# First the data. MNIST is used where it is at hand or can be downloaded; otherwise 5,000 of its digits, which come with
# a package. `Dataset` has three parts: one trains on `train`, looks at `validation` on the way, and keeps `test` for
# the end.

# %%
import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it says aloud when it takes the 5,000; the name below says it too
    digits = gan.load_dataset("mnist")
parts = {"train": digits.train, "validation": digits.validation, "test": digits.test}
print(f"{digits.name}:", ", ".join(f"{len(part):,} {name}" for name, part in parts.items()))
examples = np.concatenate([np.flatnonzero(digits.train.labels == digit)[:2] for digit in range(10)])
examples = examples.reshape(10, 2).T.ravel()  # two rows: 0 to 9, and again
real = images.from_uint8(digits.train.images[examples].astype("float32"))
show(real, "What it is to learn: real digits", across="class 0 to 9")

# %% [markdown]
# Then the two networks, and `compile`, as with any Keras model; only that there are two optimizers, G's and D's. Two
# options keep their defaults. `penalties=("r1",)` keeps D from becoming too sure of itself, which would leave G nothing
# to learn from. `mismatched_labels=0.08` shows it some real digits under a mismatched label, as if they were made: so
# it looks at the label, too, and G has to draw what was asked for.
#
# The metric `ErrorRate` asks a classifier how many made digits are *not* the digit that was asked for. That classifier
# is another one than above. For on the way one may try this and that, and keep what the judge likes; so another judge
# has to have the last word.

# %%
keras.utils.set_random_seed(0)
mine = gan.GAN(
    gan.build_generator(digits.image_shape, 32, digits.num_classes),
    gan.build_discriminator(digits.image_shape, digits.num_classes),
)


def adam(rate):
    """Adam, whose learning rate falls to 2 % until the end."""
    decay = keras.optimizers.schedules.CosineDecay(rate, INTERVALS * STEPS, alpha=0.02)
    return keras.optimizers.Adam(decay, beta_1=0.0, beta_2=0.99)


probe, _ = gan.load_classifier("mnist-probe")
mine.compile(adam(4e-3), adam(2e-3), metrics=[metrics.ErrorRate(probe)])
print(f"G has {mine.generator.count_params():,} weights, D {mine.discriminator.count_params():,}")

# %% [markdown]
# Now `fit`, some hundred steps at a time, with a look at the same twenty pictures after each. A step shows D 64 real
# digits and 64 made ones. `first_step` says where in the data to go on, so that no part of it is left out.

# %%
import time

looks, logs = [gan.generate(mine.generator_ema, 20, seed=0)], []
judges = digits.validation.at_most(JUDGED)  # their labels are what is asked for
for interval in range(INTERVALS):
    began = time.monotonic()
    batches = digits.train.batches(64, steps=STEPS, first_step=interval * STEPS)
    history = mine.fit(batches, validation_data=judges.in_order(200), shuffle=False, verbose=0).history
    logs.append({name: values[-1] for name, values in history.items()})
    looks.append(gan.generate(mine.generator_ema, 20, seed=0))
    seen, wrong = 64 * STEPS * (interval + 1), logs[-1]["val_error_rate"]
    print(f"{seen:7,} digits seen, {wrong:5.1%} of {len(judges):,} wrong, {time.monotonic() - began:.0f} s")

# %% [markdown]
# Grey becomes strokes, strokes become digits. The latents are the same in each row, so that one sees each picture
# grow.

# %%
rows = np.concatenate([look[:10] for look in looks])
show(rows, "The same ten pictures while G learns", across="class 0 to 9", down="looks, the first on top")

# %% [markdown]
# ## What the numbers say
#
# In other trainings one waits for the loss to fall. Here two networks pull at the same number in opposite directions,
# so neither loss tells how good the pictures are. What does fall is the share of wrong digits.

# %%
seen = 0.064 * STEPS * np.arange(1, INTERVALS + 1)
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.4))
for name, label in (("d_loss", "D"), ("g_loss", "G")):
    left.plot(seen, [log[name] for log in logs], marker="o", label=label)
left.set(title="Losses: a tug of war", xlabel="thousand digits seen", ylabel="loss (mean of the interval)")
left.legend()
ends = ("_lower", "", "_upper")
lower, wrong, upper = (np.array([100 * log[f"val_error_rate{end}"] for log in logs]) for end in ends)
right.errorbar(seen, wrong, np.maximum(0, [wrong - lower, upper - wrong]), marker="o")
right.set(title="Error rate, with its 95 % interval", xlabel="thousand digits seen", ylabel="wrong (%)")
right.set_yscale("log")
right.set_yticks(ticks := [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100], ticks)
right.minorticks_off()
figure.tight_layout()
plt.show()

# %% [markdown]
# How far is that from the pretrained generator, which learned for longer? Now the other classifier judges, on pictures
# of a seed that nobody has looked at. The interval beside each rate says how sure one can be of it.

# %%
asked = np.arange(JUDGED) % 10
for name, one in (("yours", mine.generator_ema), ("pretrained", generator)):
    read, _ = gan.classifier.classify(classifier, gan.generate(one, JUDGED, seed=12345, labels=asked))
    found = tolerance.ErrorRate(int(np.sum(read != asked)), JUDGED)
    lower, upper = found.interval
    print(f"{name:>8}: {found.value:.1%} of {found.n:,} wrong (95 % interval {lower:.1%} to {upper:.1%})")

# %% [markdown]
# ## Keep it
#
# `generator_ema` is the average of G over the last steps. It usually draws better than G itself, and is what one saves.
# The file needs nothing but Keras to be loaded, so you can give it to somebody who does not have this package.

# %%
mine.generator_ema.save("my-generator.keras")
again = keras.models.load_model("my-generator.keras")
same = np.abs(gan.generate(again, 20, seed=0) - looks[-1]).max()
print(f"largest difference after loading: {same}")
show(gan.generate(again, 20, seed=99), "Yours, from the file")

# %% [markdown]
# ## The same in one call
#
# For anything longer there is `train`: it does all of the above by a *preset*, saves the generator, a table of numbers
# and a grid of pictures at each look, and can go on where it was broken off. In a shell it is `gan train`. Here it only
# runs for a moment, to show what it leaves behind.

# %%
from dataclasses import replace

from rich.console import Console

preset = gan.config.PRESETS["mnist"]
optimization = replace(preset.optimization, images=PRESET_IMAGES)
short = replace(preset, optimization=optimization, eval_every=PRESET_IMAGES // 2)
run = gan.train(short, dataset=digits, output="runs/first", console=Console(quiet=True))
print(f"{run.images:,} digits seen, {run.logs['val_error_rate']:.1%} of the digits wrong")
for path in sorted(run.folder.rglob("*")):
    if path.is_file() and "state" not in path.parts:
        print(path.as_posix(), f"{path.stat().st_size:,} bytes")

# %% [markdown]
# ## Where to go on
#
# * `02_why_the_naive_gan_fails`: what goes wrong in the program that most people write first.
# * `03_losses_and_penalties`: what the parts in `compile` do.
# * `06_your_own_images`: the same with a folder of pictures.
