# %% [markdown]
# # Quickstart: generate digits, then train your own GAN
#
# A *generator* is a network that turns random numbers into images. This package contains a pretrained generator of
# handwritten digits. In this notebook you use it. Then you train a similar one, and watch it learn.
#
# **Needs:** a laptop. No GPU, no network.
#
# **Takes:** about 2 minutes on two cores, mostly for training.
#
# **Afterwards you know** how to generate the digits you want, what latent space is, and how to train a GAN in ten
# lines. You also know how to tell whether it learns, and how to save the result.

# %%
from importlib.util import find_spec

from IPython import get_ipython

if find_spec("gan") is None:  # for example in Colab
    get_ipython().run_line_magic("pip", "install --quiet gan-reference")

# %% tags=["parameters"] quick={"INTERVALS": 2, "STEPS": 4, "EVALUATED": 200, "PRESET_IMAGES": 128}
INTERVALS = 6  # number of calls of `fit`, each followed by an evaluation
STEPS = 250  # training steps per call
EVALUATED = 1_000  # samples per measurement of the error rate
PRESET_IMAGES = 6_400  # training images of the last run, which uses a preset

# %% [markdown]
# `start_tensorflow` loads TensorFlow without its log messages, and seeds all random number generators.

# %%
from gan import start_tensorflow

print(start_tensorflow(seed=0))

import keras
import matplotlib.pyplot as plt
import numpy as np

import gan
from gan import images, metrics, tolerance


def show(batch, title, *, columns=10, xlabel="", ylabel=""):
    """Shows images [N, H, W, 1] with values in [-1, 1] as a grid."""
    grid = images.grid(images.to_uint8(batch), columns)
    plt.figure(figsize=(0.75 * columns, 0.75 * len(batch) / columns + 0.6))
    plt.imshow(grid[..., 0], cmap="gray", vmin=0, vmax=255)
    plt.title(title)
    plt.xlabel(xlabel)
    plt.ylabel(ylabel)
    plt.xticks([])
    plt.yticks([])
    plt.show()


# %% [markdown]
# ## Generate digits
#
# `load_generator` loads a generator. It accepts the name of a pretrained model, a file, or the folder of a training
# run. The generator is an ordinary Keras model. `generate` returns samples as `float32` in [-1, 1]: black is -1 and
# white is 1.
#
# If you pass no labels, sample 0 is a 0, sample 1 is a 1, and so on. After the 9, the classes start again at 0.

# %%
generator = gan.load_generator("mnist")
samples = gan.generate(generator, 100, seed=0)
print(samples.shape, samples.dtype, f"from {samples.min():.2f} to {samples.max():.2f}")
show(samples, "100 generated digits", xlabel="class 0 to 9", ylabel="ten of each")

# %% [markdown]
# ## Generate only sevens
#
# The generator is *conditional*: its second input is the class. `labels=7` requests only sevens. A list requests one
# class per sample.

# %%
show(gan.generate(generator, 20, seed=0, labels=7), "Twenty sevens")
date = [2, 0, 1, 4, 0, 6, 1, 0]  # date of the first paper on GANs: 10 June 2014
show(gan.generate(generator, 8, seed=12, labels=date), "Digits in the requested order", columns=8)

# %% [markdown]
# A sample is identified by a *seed* and an *index*. Sample 7 of seed 0 is the same image whenever you generate it,
# alone or among a million. You can therefore tell others exactly which sample you mean.

# %%
alone = gan.generate(generator, 1, seed=0, start=7)
print(f"largest difference from sample 7 of the first grid: {np.abs(alone[0] - samples[7]).max():.1e}")

# %% [markdown]
# ## Interpolate in latent space
#
# The random inputs of a sample are its *latents*, drawn from a normal distribution. They are the coordinates of a
# point in *latent space*, which has one dimension per number. Nearby points give similar images. You can therefore
# move from one sample to another, and every step between them is an image as well.
#
# `interpolate` generates these steps. With `labels=`, the class stays fixed and the handwriting changes: slant,
# width, weight.

# %%
latent_dim = gan.networks.NetworkInputs.of(generator).latent_dim
latents = gan.latents(0, range(100), latent_dim)
print(f"{latent_dim} latents per sample; mean {latents.mean():.3f}, standard deviation {latents.std():.3f}")
paths = [gan.interpolate(generator, i, i + 1, 10, seed=1, labels=7) for i in range(4)]
show(np.concatenate(paths), "Four interpolations between sevens", xlabel="step 1 to 10", ylabel="pairs")

# %% [markdown]
# Without `labels=`, the class also changes. Halfway between a 4 and a 9, the image resembles both.

# %%
pairs = [(4, 9), (3, 8), (1, 7), (0, 6)]  # sample i has class i
paths = [gan.interpolate(generator, first, second, 10, seed=0) for first, second in pairs]
show(np.concatenate(paths), "From 4 to 9, 3 to 8, 1 to 7, 0 to 6", xlabel="step 1 to 10", ylabel="pairs")

# %% [markdown]
# Are the intermediate steps also digits, or only the two ends? A classifier that was trained on real digits can tell.
# It predicts the class of each image, and how confident it is. If it is about as confident for the steps as for the
# ends, the generator has not only learned single images. It has also learned what lies between them.

# %%
classifier, _ = gan.load_classifier("mnist-classifier")
steps = np.concatenate([gan.interpolate(generator, i, i + 1, 10, seed=1, labels=7) for i in range(40)])
predicted, confidence = gan.classifier.classify(classifier, steps)
is_end = np.arange(len(steps)) % 10 % 9 == 0
for name, chosen in (("ends", is_end), ("intermediate steps", ~is_end)):
    sevens = np.mean(predicted[chosen] == 7)
    print(f"{name}: {sevens:.1%} classified as 7, mean probability {confidence[chosen].mean():.3f}")

# %% [markdown]
# ## Train your own generator
#
# A GAN trains two networks against each other. The *discriminator* D receives real digits and generated digits, and
# learns to tell them apart. The *generator* G learns to generate digits that D classifies as real. G never sees a
# real digit: everything it learns about them comes from D.
#
# First load the data. If MNIST is available or can be downloaded, the notebook uses it. Otherwise it uses 5,000 MNIST
# digits that one of the installed packages contains. `Dataset` has three splits. Train on `train`, evaluate on
# `validation` during training, and keep `test` for the end.

# %%
import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # hides the warning if 5,000 digits replace MNIST
    digits = gan.load_dataset("mnist")
splits = {"train": digits.train, "validation": digits.validation, "test": digits.test}
print(f"{digits.name}:", ", ".join(f"{len(split):,} {name}" for name, split in splits.items()))
examples = np.concatenate([np.flatnonzero(digits.train.labels == digit)[:2] for digit in range(10)])
examples = examples.reshape(10, 2).T.ravel()  # two rows, each with the classes 0 to 9
real = images.from_uint8(digits.train.images[examples].astype("float32"))
show(real, "Real training digits", xlabel="class 0 to 9")

# %% [markdown]
# Next, build the two networks and call `compile`, as with any Keras model. The difference is that there are two
# optimizers, for G and for D.
#
# Two options keep their defaults. `penalties=("r1",)` prevents D from becoming too confident, which would leave G
# nothing to learn from. `mismatched_labels=0.08` shows D some real digits with a wrong label, as fakes. D then also
# checks the label, and G has to generate the requested class.
#
# The metric `ErrorRate` uses a classifier to count generated digits that are *not* the requested class. It is a
# different classifier from the one above. During training you may try many settings and keep those that this
# classifier prefers. The final evaluation therefore needs an independent classifier.

# %%
keras.utils.set_random_seed(0)
model = gan.GAN(
    gan.build_generator(digits.image_shape, 32, digits.num_classes),
    gan.build_discriminator(digits.image_shape, digits.num_classes),
)


def build_optimizer(rate):
    """Returns Adam with a learning rate that decays to 2 % by the end of training."""
    decay = keras.optimizers.schedules.CosineDecay(rate, INTERVALS * STEPS, alpha=0.02)
    return keras.optimizers.Adam(decay, beta_1=0.0, beta_2=0.99)


probe, _ = gan.load_classifier("mnist-probe")
model.compile(build_optimizer(4e-3), build_optimizer(2e-3), metrics=[metrics.ErrorRate(probe)])
print(f"G has {model.generator.count_params():,} weights, D {model.discriminator.count_params():,}")

# %% [markdown]
# Now call `fit` several times, for some hundred steps each. After each call, generate the same twenty samples. One
# step shows D 64 real and 64 generated digits. `first_step` sets the position in the data, so that no part of it is
# skipped.

# %%
import time

snapshots, logs = [gan.generate(model.generator_ema, 20, seed=0)], []
held_out = digits.validation.at_most(EVALUATED)  # its labels are the requested classes
for interval in range(INTERVALS):
    started = time.monotonic()
    batches = digits.train.batches(64, steps=STEPS, first_step=interval * STEPS)
    history = model.fit(batches, validation_data=held_out.in_order(200), shuffle=False, verbose=0).history
    logs.append({name: values[-1] for name, values in history.items()})
    snapshots.append(gan.generate(model.generator_ema, 20, seed=0))
    seen, wrong = 64 * STEPS * (interval + 1), logs[-1]["val_error_rate"]
    seconds = time.monotonic() - started
    print(f"{seen:7,} digits seen, {wrong:5.1%} of {len(held_out):,} samples wrong, {seconds:.0f} s")

# %% [markdown]
# Gray noise becomes strokes, and strokes become digits. All rows use the same latents, so you can follow each sample
# as it improves.

# %%
rows = np.concatenate([samples[:10] for samples in snapshots])
show(rows, "The same ten latents during training (start at the top)", xlabel="class 0 to 9", ylabel="time")

# %% [markdown]
# ## Read the numbers
#
# In other kinds of training, you wait for the loss to fall. In a GAN, two networks change the same number in opposite
# directions. Neither loss tells how good the samples are. The number that falls is the error rate: the share of wrong
# digits.

# %%
seen = 0.064 * STEPS * np.arange(1, INTERVALS + 1)
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.4))
for name, label in (("d_loss", "D"), ("g_loss", "G")):
    left.plot(seen, [log[name] for log in logs], marker="o", label=label)
left.set(title="Losses of D and G", xlabel="thousand digits seen", ylabel="loss (mean of the interval)")
left.legend()
suffixes = ("_lower", "", "_upper")
lower, wrong, upper = (np.array([100 * log[f"val_error_rate{end}"] for log in logs]) for end in suffixes)
right.errorbar(seen, wrong, np.maximum(0, [wrong - lower, upper - wrong]), marker="o")
right.set(title="Error rate with 95 % interval", xlabel="thousand digits seen", ylabel="error rate (%)")
right.set_yscale("log")
right.set_yticks(ticks := [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100], ticks)
right.minorticks_off()
figure.tight_layout()
plt.show()

# %% [markdown]
# How far is this from the pretrained generator, which was trained for longer? The other classifier now evaluates
# both, on samples from a new seed. The confidence interval next to each rate shows how precise it is.

# %%
requested = np.arange(EVALUATED) % 10
for name, network in (("yours", model.generator_ema), ("pretrained", generator)):
    samples = gan.generate(network, EVALUATED, seed=12345, labels=requested)
    predicted, _ = gan.classifier.classify(classifier, samples)
    rate = tolerance.ErrorRate(int(np.sum(predicted != requested)), EVALUATED)
    lower, upper = rate.interval
    print(f"{name:>10}: {rate.value:.1%} of {rate.n:,} wrong (95 % interval {lower:.1%} to {upper:.1%})")

# %% [markdown]
# ## Save the generator
#
# `generator_ema` is the moving average of G over the last steps. It usually gives better samples than G itself, so
# this is the network to save. Loading the file requires only Keras. You can give it to people who do not have this
# package.

# %%
model.generator_ema.save("my-generator.keras")
loaded = keras.models.load_model("my-generator.keras")
difference = np.abs(gan.generate(loaded, 20, seed=0) - snapshots[-1]).max()
print(f"largest difference after loading: {difference}")
show(gan.generate(loaded, 20, seed=99), "Samples of your generator, loaded from the file")

# %% [markdown]
# ## Train with one call
#
# For longer training, use `train`. It does all of the above with the options of a *preset*. It also saves the
# generator, a table of metrics and a grid of samples at regular intervals. An interrupted run can be resumed. The
# shell command is `gan train`. Here it runs only for a moment, to show the files that it writes.

# %%
from dataclasses import replace

from rich.console import Console

preset = gan.config.PRESETS["mnist"]
optimization = replace(preset.optimization, images=PRESET_IMAGES)
short = replace(preset, optimization=optimization, eval_every=PRESET_IMAGES // 2)
run = gan.train(short, dataset=digits, output="runs/first", console=Console(quiet=True))
print(f"{run.images:,} digits seen, {run.logs['val_error_rate']:.1%} of the samples wrong")
for path in sorted(run.folder.rglob("*")):
    if path.is_file() and "state" not in path.parts:
        print(path.as_posix(), f"{path.stat().st_size:,} bytes")

# %% [markdown]
# ## Next notebooks
#
# * `02_why_the_naive_gan_fails`: the faults in a typical first GAN program.
# * `03_losses_and_penalties`: the parts that you pass to `compile`.
# * `06_your_own_images`: the same steps with a folder of images.
