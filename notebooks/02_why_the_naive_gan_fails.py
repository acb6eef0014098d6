# %% [markdown]
# # Why the naive GAN fails
#
# There is a program for GANs that many beginners copy, in one form or another. It is short and looks right. It cannot
# run; once it runs, it learns to draw white squares; and what the text around it says about quality is wrong. This
# notebook finds 22 faults in it. Each is shown failing in a cell, explained, put right, and measured.
#
# **Needs:** a laptop. No GPU, no network. You should have seen Keras before; `01_quickstart` shows the right way first.
# **Takes:** about 5 minutes on two cores.
# **Afterwards you know** what to look for when a GAN of your own does not learn, and which of its numbers to believe.

# %%
from importlib.util import find_spec

from IPython import get_ipython

if find_spec("gan") is None:  # as in Colab
    get_ipython().run_line_magic("pip", "install --quiet gan-reference")

# %% tags=["parameters"] quick={"PROGRAM_STEPS": 2, "STEPS": 3, "OVERFIT_STEPS": 2, "LOOKS": 2, "JUDGED": 200}
PROGRAM_STEPS = 100  # steps of the beginner's program
STEPS = 1_500  # of each training that puts something right
OVERFIT_STEPS = 150  # of a training that goes on for too long, from one look to the next
LOOKS = 12  # at that training
JUDGED = 2_000  # pictures that a number is computed from

# %%
from gan import start_tensorflow

print(start_tensorflow(seed=0))

import ast
import builtins
import time
import warnings
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras import layers

import gan
from gan import images, losses, metrics

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it says aloud when MNIST is not at hand; the name below says it too
    digits = gan.load_dataset("mnist")
print(f"{digits.name}: {len(digits.train):,} training digits")

# %% [markdown]
# ## The program
#
# This is its heart, in our own words. The text around it promises pictures scaled to [0, 1], a *convolutional*
# discriminator, 50,000 images for training, 10,000 for validation and 10,000 for testing, and a good quality, which is
# to be seen from a high MSE and a high SSIM.

# %%
PROGRAM = """
generator = Sequential([
    Input((100,)),
    Dense(256), Activation("relu"),
    Dense(1024),
    Reshape((28, 28, 1)),
])
discriminator = Sequential([
    Input((28, 28, 1)), Flatten(),
    Dense(256), Activation("relu"),
    Dense(1, activation="sigmoid"),
])
ones, zeros = np.ones((32, 1)), np.zeros((32, 1))
for epoch in range(EPOCHS):
    for step in range(STEPS):
        latents = np.random.normal(size=(32, 100))
        fake = generator.predict(latents, verbose=0)
        real = np.random.choice(digits, 32)
        batch = np.concatenate([real, fake])
        discriminator.train_on_batch(real, ones)
        discriminator.train_on_batch(fake, zeros)
        generator.train_on_batch(latents, ones)
plt.imshow(fake[0])
"""

# %% [markdown]
# We run it as it is, and correct it line by line. The program knows the digits, and as much of Keras as it imports.
# `reason` puts an error into one line.

# %%
pixels = images.from_uint8(digits.train.images.astype("float32"))  # [N, 28, 28, 1] in [-1, 1]
KNOWN = {name: getattr(layers, name) for name in ("Dense", "Reshape", "Flatten")}
KNOWN |= {"Sequential": keras.Sequential, "Input": keras.Input}
KNOWN |= {"digits": pixels, "EPOCHS": 1, "STEPS": PROGRAM_STEPS}


def reason(error):
    """The line of an error that says why, without Keras' frame around it."""
    lines = str(error).replace("\x1b[1m", "").replace("\x1b[0m", "").splitlines()
    why = next(line for line in lines if line and "Exception encountered" not in line)
    return f"{type(error).__name__}: {why}"


def attempt(action):
    """What an action gives or, where it fails, why."""
    try:
        return action()
    except Exception as error:
        return reason(error)


# %% [markdown]
# `run` runs a program, and says in which line it ends, and why. `show` shows pictures.


# %%
def run(program):
    """Runs a program; returns the names that it knows in the end."""
    names = dict(KNOWN)
    try:
        exec(program, names)
    except Exception as error:
        line = program.splitlines()[error.__traceback__.tb_next.tb_lineno - 1].strip()
        print(f"{line}\n    {reason(error)}")
    return names


# %%
def show(pictures, title, *, across="", down="", black=-1, white=1):
    """Shows pictures [N, H, W, 1] in rows of ten; what is beyond black and white is shown as these."""
    grey = np.clip(255 * (pictures - black) / (white - black), 0, 255).astype("uint8")
    plt.figure(figsize=(7.5, 0.075 * len(pictures) + 0.6))
    plt.imshow(images.grid(grey, 10)[..., 0], cmap="gray", vmin=0, vmax=255)
    plt.title(title)
    plt.xlabel(across)
    plt.ylabel(down)
    plt.xticks([])
    plt.yticks([])
    plt.show()


# %% [markdown]
# ## A. It does not start: faults 1, 2, 7, 9
#
# ### Fault 1: names that were never imported

# %%
run(PROGRAM)
tree = ast.parse(PROGRAM)
used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
made = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
print("used and never imported:", sorted(used - made - set(KNOWN) - set(dir(builtins))))

# %% [markdown]
# Python notices a missing name only when it comes to that line: `plt` is in the last one, after hours of training. The
# lines below `run` ask the program's text instead, without running it. A linter such as `ruff` does the same.
#
# **Put right:** import them.
#
# ### Fault 2: 1,024 numbers do not make 784 pixels

# %%
KNOWN |= {"Activation": layers.Activation, "np": np, "plt": plt}
run(PROGRAM)
for shape in [(28, 28, 1), (32, 32, 3), (20, 30, 1)]:
    print(shape, "->", gan.build_generator(shape, 100, arch="mlp").output_shape[1:])

# %% [markdown]
# A picture of 28 x 28 x 1 has 784 pixels, and the last layer makes 1,024 numbers.
#
# **Put right:** nothing is typed twice. `build_generator` is told the shape of an image and works out the rest.
#
# ### Fault 7: `np.random.choice` takes lists, not pictures

# %%
program = PROGRAM.replace("Dense(1024)", "Dense(784)")
run(program)
real, labels = next(iter(digits.train.batches(32)))
print("batches() gives", real.shape, "with", len(np.unique(labels)), "different classes")

# %% [markdown]
# `digits` has four dimensions (which picture, row, column, channel), `np.random.choice` draws from one.
#
# **Put right:** draw numbers of pictures, and index with them; or let `batches` do it, which also goes through all
# pictures before it takes one twice (fault 12).
#
# ### Fault 9: neither model is compiled

# %%
program = program.replace("np.random.choice(digits, 32)", "digits[np.random.randint(len(digits), size=32)]")
run(program)
never = gan.GAN(gan.build_generator((28, 28, 1), 100), gan.build_discriminator((28, 28, 1)))
print("GAN.fit:", attempt(lambda: never.fit(digits.train.batches(32, steps=1), verbose=0)))

# %% [markdown]
# `compile` says what is to be minimised, and how. Without it there is nothing to train by.
#
# **Put right:** compile both. (G's answers are pictures, so its "ones" have to be pictures of ones.) Now it runs:

# %%
compiled = """generator.compile("adam", "mse")
discriminator.compile("adam", "binary_crossentropy")
white = np.ones((32, 28, 28, 1))
for epoch"""
program = program.replace("for epoch", compiled).replace(
    "train_on_batch(latents, ones)", "train_on_batch(latents, white)"
)
began = time.monotonic()
beginner = run(program)
beginner_seconds = time.monotonic() - began
plt.title("What the program draws")
plt.xlabel("column")
plt.ylabel("row")
plt.show()

# %% [markdown]
# ## B. It is no GAN: faults 5, 6, 8
#
# ### Fault 5: the generator is trained to print ones
#
# It runs, and says nothing bad. The picture seems to be noise, but `plt.imshow` stretches whatever it is given to all
# of its colours (fault 16). The next cell shows ten with black at -1 and white at 1: they are white.
#
# Look at how G is trained: `generator.train_on_batch(latents, white)`. Its target is a white picture. D is not in that
# line, so nothing that D has learned can reach G.

# %%
g, d = beginner["generator"], beginner["discriminator"]
z = tf.random.stateless_normal((32, 100), (0, 0))
drawn = g(z)
show(np.asarray(drawn[:10]), "Ten pictures that the program draws")
print(f"mean of its pixels: {np.mean(drawn):.2f} (white is 1), of real digits: {pixels.mean():.2f}")

with tf.GradientTape(persistent=True) as tape:
    theirs = tf.reduce_mean(tf.square(g(z) - 1.0))  # the beginner's loss
    ours = tf.reduce_mean(-tf.math.log(d(g(z)) + 1e-7))  # D in the loop: fakes should look real to D
for name, loss in (("beginner's loss", theirs), ("D in the loop", ours)):
    reached = [gradient is not None for gradient in tape.gradient(loss, d.trainable_variables)]
    print(f"{name}: depends on {sum(reached)} of D's {len(reached)} weight arrays")

# %% [markdown]
# **Put right:** G's loss is what D says about G's pictures. It is differentiated through D, down to the weights of G,
# and only those are moved. We do so below, after fault 8.
#
# ### Fault 6: the combined model does not leave D alone
#
# Others notice fault 5 and chain both networks into a combined model, D(G(z)), which they train towards "real". But
# `train_on_batch` moves *all* its weights. D learns, too: to call fakes real. The usual cure is to switch off
# `discriminator.trainable` before the combined model is compiled. In Keras 3 that is worse, and nearly silent:


# %%
def combined(trainable):
    """(D, D(G(z))) as they are built by those who freeze D, or do not."""
    keras.utils.set_random_seed(0)
    d = keras.Sequential([layers.Input((28, 28, 1)), layers.Flatten(), layers.Dense(1, activation="sigmoid")])
    d.compile("adam", "binary_crossentropy")
    d.trainable = trainable
    both = keras.Sequential([keras.models.clone_model(beginner["generator"]), d])
    both.compile("adam", "binary_crossentropy")
    return d, both


def change(network, train, what):
    """Prints the largest change of a weight of a network in a training, and what Keras warns of."""
    before = [weight.numpy() for weight in network.weights]
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        train()
    largest = max(np.abs(weight.numpy() - old).max() for weight, old in zip(network.weights, before))
    print(f"{what}: {largest:.4f}", *(f"({warning.message})" for warning in heard))


# %% [markdown]
# `change` is for the next cell, which makes one step for each of the two networks, first without freezing D, then with.

# %%
ones = np.ones((32, 1))
d, both = combined(trainable=True)
change(d, lambda: both.train_on_batch(z, ones), "not frozen, a step that is meant for G moves D by")
change(d, lambda: d.train_on_batch(pixels[:32], ones), "not frozen, a step that is meant for D moves D by")
d, both = combined(trainable=False)
change(d, lambda: both.train_on_batch(z, ones), "frozen, a step that is meant for G moves D by")
change(d, lambda: d.train_on_batch(pixels[:32], ones), "frozen, a step that is meant for D moves D by")

# %% [markdown]
# Without freezing, D is pulled to the wrong side whenever G learns. With it, D never learns at all: Keras 3 looks at
# `trainable` when it trains, not only when it compiles. A warning is all one hears.
#
# **Put right:** nobody touches `trainable`. A gradient names the weights that it is for. Then one update cannot reach
# the other network:

# %%
shape = digits.image_shape
pair = gan.GAN(gan.build_generator(shape, 100, arch="mlp"), gan.build_discriminator(shape, arch="mlp"))
pair.compile("adam", "adam")
real = tf.constant(pixels[:32])
with tf.GradientTape() as tape:
    fake = pair.generator(z, training=True)


def changed(update):
    """Of each network, how many weight arrays an update changes."""
    nets = [pair.generator.trainable_variables, pair.discriminator.trainable_variables]
    before = [[weight.numpy() for weight in net] for net in nets]
    update()
    both = zip(nets, before)
    return [sum(not np.array_equal(w.numpy(), old) for w, old in zip(net, olds)) for net, olds in both]


for name, update in (
    ("D", lambda: pair.update_discriminator(real, fake)),
    ("G", lambda: pair.update_generator(tape, real, fake, None, None)),
):
    print("an update of {} changes {} weight arrays of G and {} of D".format(name, *changed(update)))

# %% [markdown]
# ### Fault 8: a batch that nobody uses
#
# The program joins reals and fakes into `batch`, and then trains D on each half alone. Who reads a program's text for
# names that are stored and never read finds it at once. It is more than untidy: two calls cost more than one, and a D
# with batch normalisation would see each half by its own mean.

# %%
names = [node for node in ast.walk(ast.parse(program)) if isinstance(node, ast.Name)]
stored = {name.id for name in names if isinstance(name.ctx, ast.Store)}
read = {name.id for name in names if isinstance(name.ctx, ast.Load)}
print("stored and never read:", sorted(stored - read - {"epoch", "step"}))

halves, targets = np.split(pixels[:64], 2), [np.ones((32, 1)), np.zeros((32, 1))]
d = beginner["discriminator"]


def milliseconds(action, times=15):
    """The median time of an action, after a first call that compiles it."""
    action()
    took = []
    for _ in range(times):
        began = time.perf_counter()
        action()
        took.append(time.perf_counter() - began)
    return 1_000 * float(np.median(took))


print(f"two halves: {milliseconds(lambda: [d.train_on_batch(x, y) for x, y in zip(halves, targets)]):.1f} ms")
print(f"one batch:  {milliseconds(lambda: d.train_on_batch(pixels[:64], np.concatenate(targets))):.1f} ms")

# %% [markdown]
# **Put right:** `GAN` gives D reals and fakes in one pass wherever that is the same.
#
# ### Faults 5, 6 and 8 put right: it learns
#
# The same kind of network as the beginner's, dense layers only, with D in the loop and told which digit is asked for.
# `wrong` asks a classifier of real digits how many made ones are not what was asked for.

# %%
classifier, _ = gan.load_classifier("mnist-classifier")


def trained(arch, d_arch):
    """A conditional GAN after STEPS steps, and the seconds that it took."""
    keras.utils.set_random_seed(0)
    g = gan.build_generator(shape, 100, 10, arch=arch)
    model = gan.GAN(g, gan.build_discriminator(shape, 10, arch=d_arch))
    model.compile(*(keras.optimizers.Adam(1e-3, beta_1=0.0, beta_2=0.99) for _ in range(2)))
    began = time.monotonic()
    model.fit(digits.train.batches(32, steps=STEPS), shuffle=False, verbose=0)
    return model, time.monotonic() - began


def wrong(generator):
    """The share of digits that are not read as what was asked for."""
    asked = np.arange(JUDGED) % 10
    drawn = gan.generate(generator, JUDGED, seed=1, labels=asked)
    return np.mean(gan.classifier.classify(classifier, drawn)[0] != asked)


# %%
dense, dense_seconds = trained("mlp", "mlp")
drawn = gan.generate(dense.generator_ema, 20)
show(drawn, "Dense networks, D in the loop", across="class 0 to 9", down="two of each")
blank = np.asarray(beginner["generator"](tf.random.stateless_normal((JUDGED, 100), (0, 1))))
by_program = np.mean(gan.classifier.classify(classifier, blank)[0] != np.arange(JUDGED) % 10)
print(f"wrong digits: the program's {by_program:.0%}, ours {wrong(dense.generator_ema):.0%};", end=" ")
print(f"the pretrained mnist-mlp, which trained for longer, {wrong(gan.load_generator('mnist-mlp')):.0%}")

# %% [markdown]
# ## C. The networks do not fit the data: faults 3, 4, 10
#
# ### Fault 3: no output activation
#
# The data lies in [-1, 1] (the text says [0, 1]), and the last layer of G gives any number. A tanh would keep it
# inside. Without it D needs no idea of digits: pixels outside the range give every fake away.

# %%
keras.utils.set_random_seed(0)
hidden = [layers.Dense(256, activation="relu"), layers.Dense(784), layers.Reshape((28, 28, 1))]
linear = keras.Sequential([layers.Input((100,)), *hidden])
bounded = gan.build_generator(shape, 100, arch="mlp")
print(f"real digits: from {pixels.min():.0f} to {pixels.max():.0f}")
for name, network in (("without", linear), ("with tanh", bounded)):
    drawn = np.asarray(network(tf.random.stateless_normal((1_000, 100), (1, 0))))
    caught = np.mean(np.abs(drawn).max(axis=(1, 2, 3)) > 1)
    print(f"{name:>9}: from {drawn.min():.2f} to {drawn.max():.2f};", end=" ")
    print(f"{caught:.0%} of the fakes have a pixel outside of [-1, 1]")

# %% [markdown]
# **Put right:** `build_generator` ends in tanh, the data is scaled to the same range in one place
# (`gan.images.from_uint8`), and pictures are scaled back in the same place (fault 16).
#
# ### Fault 4: a convolutional discriminator is promised, a dense one is built
#
# A dense layer does not know which pixels are neighbours. It has to learn each stroke anew at every place. Here is the
# same convolutional G, trained for as many steps with a dense D and with a convolutional one:

# %%
results = {}
for name, d_arch in (("dense", "mlp"), ("convolutional", "dcgan")):
    model, seconds = trained("dcgan", d_arch)
    results[name], d = model, model.discriminator
    convolutions = sum(isinstance(layer, layers.Conv2D) for layer in d.layers)
    print(f"{name:>13} D: {convolutions} convolutions, {d.count_params():,} weights,", end=" ")
    print(f"{wrong(model.generator_ema):.1%} wrong after {seconds:.0f} s")
rows = np.concatenate([gan.generate(model.generator_ema, 10) for model in results.values()])
show(rows, "Above: dense D; below: convolutional D", across="class 0 to 9")

# %% [markdown]
# **Put right:** `build_discriminator(..., arch="dcgan")` is what it says.
#
# ### Fault 10: a sigmoid, and cross-entropy after it
#
# When D is sure, its sigmoid rounds to 0 or 1 and the logarithm is cut off; the gradient is 0, and learning ends just
# where it is needed most. Keras recognises a sigmoid that comes last, and computes with what went into it. It cannot
# when anything comes between, such as picking one half of a batch.

# %%
target, bce = tf.ones((1, 1)), keras.losses.BinaryCrossentropy()
ways = {
    "sigmoid": lambda x: bce(target, keras.activations.sigmoid(x)),
    "sigmoid, then a slice": lambda x: bce(target, keras.activations.sigmoid(x)[:1]),
    "logits": lambda x: tf.reduce_mean(losses.binary_cross_entropy_real(x)),
}
for name, loss_of in ways.items():
    for value in (-5.0, -20.0, -100.0):
        x = tf.constant([[value]])
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = loss_of(x)
        slope = tape.gradient(loss, x).numpy().item()
        print(f"{name:>21}: a real image gets {value:4.0f}: loss {loss.numpy():6.2f}, gradient {slope:.4f}")

# %% [markdown]
# **Put right:** D ends in a *logit*, any number, and the loss is computed from it: softplus(-x) is the same
# cross-entropy, exact for every x, with a gradient that stays.
#
# ## D. The loop: faults 11, 12, 21
#
# ### Fault 11: `predict()` in the loop, and nothing runs as a graph
#
# `predict` is made for large arrays: it sets up a data pipeline at every call. For 32 pictures that costs more than the
# drawing. And each of the four calls of a step crosses from Python into TensorFlow and back.

# %%
g = beginner["generator"]
graph = tf.function(g)
ways = {"predict": lambda: g.predict(z, verbose=0), "g(z)": lambda: g(z), "graph": lambda: graph(z)}
for name, draw in ways.items():
    print(f"{name:>8}: {milliseconds(draw):.2f} ms for 32 pictures")

weights = sum(beginner[name].count_params() for name in ("generator", "discriminator"))
print("images/s in training, with what compiles at the first step:")
print(f"the program: {32 * PROGRAM_STEPS / beginner_seconds:,.0f}, with {weights:,} weights")
weights = dense.generator.count_params() + dense.discriminator.count_params()
print(f"GAN.fit:     {32 * STEPS / dense_seconds:,.0f}, with {weights:,} weights")

# %% [markdown]
# **Put right:** the whole step, both updates and the average, is one graph, which `fit` runs.
#
# ### Fault 12: an "epoch" of 100 steps
#
# An epoch is one pass over the data. 100 steps of 32 are some of it, and since each batch is drawn anew, some pictures
# come twice while others never do.

# %%
rng = np.random.default_rng(0)
size, batch = len(digits.train), 32
full = size // batch
for steps in (100, full):
    drawn = rng.integers(size, size=(steps, batch))
    print(f"{steps:5,} steps at random: {len(np.unique(drawn)) / size:.1%} of the pictures seen")
once = {hash(picture.tobytes()) for real, _ in digits.train.batches(batch) for picture in real.numpy()}
left = size % batch
print(f"{full:5,} steps of batches(): {len(once) / size:.1%} seen; what is left, {left}, fills no batch")

# %% [markdown]
# **Put right:** `batches()` goes through all pictures in a random order, then through all in another one. The length of
# a training is counted in images seen, which means the same whatever an epoch is.
#
# ### Fault 21: it stops when the loop ends, not when it is good
#
# The program makes a fixed number of epochs and keeps the last state. But a GAN can get worse. Here D sees 200 digits
# only, learns them by heart, and then rejects everything else; G has nothing left to learn from. The Frechet distance
# says how far the made digits are from held-out ones (lower is better; `04_evaluation` explains it).

# %%
few = gan.Dataset("few", 10, digits.train.at_most(200), digits.validation, digits.test)
extractor = gan.classifier.Extractor(classifier)


def overtrained(*rules):
    """Trains on 200 digits, LOOKS looks at most; returns the GAN and the Frechet distance at each look."""
    keras.utils.set_random_seed(0)
    networks = gan.build_generator(shape, 64, 10, width=16), gan.build_discriminator(shape, 10, width=16)
    model, found = gan.GAN(*networks, ema_half_life=2_200), []
    distance = metrics.FrechetDistance(lambda pictures: extractor(pictures)["features"], extractor.features)
    g_optimizer, d_optimizer = (keras.optimizers.Adam(2e-3, beta_1=0.0, beta_2=0.99) for _ in range(2))
    model.compile(g_optimizer, d_optimizer, penalties=(), mismatched_labels=0.0, metrics=[distance])

    def take(epoch, logs):
        found.append(logs["val_frechet_distance"])

    note = keras.callbacks.LambdaCallback(on_epoch_end=take)
    held_out = few.validation.at_most(JUDGED).in_order(200)
    batches = few.train.batches(32, steps=LOOKS * OVERFIT_STEPS)
    looks = {"epochs": LOOKS, "steps_per_epoch": OVERFIT_STEPS, "validation_data": held_out}
    model.fit(batches, **looks, callbacks=[note, *rules], shuffle=False, verbose=0)
    return model, found


# %%
_, to_the_end = overtrained()
stop = gan.callbacks.ToleranceEarlyStopping("val_frechet_distance", "min", patience=4)
_, stopped = overtrained(stop)
looks = 32 * OVERFIT_STEPS * np.arange(1, LOOKS + 1)
plt.plot(looks, to_the_end, marker="o", label="a fixed number of epochs")
plt.plot(looks[: len(stopped)], stopped, marker="x", label="with early stopping")
plt.title("200 digits: longer is not better")
plt.xlabel("digits seen")
plt.ylabel("Frechet distance to held-out digits")
plt.legend()
plt.show()
print(f"at the end, after {len(to_the_end)} looks: {to_the_end[-1]:,.0f}")
print(f"with early stopping, after {len(stopped)} looks: {stop.best:,.0f}")

# %% [markdown]
# **Put right:** `ToleranceEarlyStopping` watches a number, ends the training when it is good enough or does not improve
# any more, says which of the two, and puts the best weights back.
#
# ## E. The data: faults 13, 18
#
# ### Fault 13: held-out data is announced and never made
#
# 50,000, 10,000 and 10,000 are promised; everything is trained on, and judged by what it was trained on. Then the best
# generator is one that copies. Let us make one: it "draws" training digits, with a little noise over them.

# %%
train, held_out = pixels, images.from_uint8(digits.validation.images.astype("float32"))
noise = np.random.default_rng(0).standard_normal(train[:JUDGED].shape, dtype="float32")
pretrained = gan.load_generator("mnist")
copies, made = train[:JUDGED] + 0.05 * noise, gan.generate(pretrained, JUDGED, seed=1)
sides = {"the copier": copies, "pretrained generator": made, "held-out": held_out}
for name, side in sides.items():
    side = side[:JUDGED]
    near = metrics.nearest_neighbours(side, train)
    print(f"{name:>17}: MSE to the nearest training digit {near.mse.mean():.4f}")

# %% [markdown]
# By the training digits, the copier is by far the best, better than digits that people wrote. Held-out digits find it
# out: who copies nothing is as often nearest to a held-out digit as to a training digit, if there are as many of them.
# `copied_share` makes a share of that: 0 for who copies nothing, 1 for who copies everything.

# %%
for name, side in sides.items():
    reference = digits.test if name == "held-out" else digits.validation
    other = images.from_uint8(reference.images.astype("float32"))
    share = metrics.copied_share(side[:JUDGED], train, other)
    values = [share[f"copied_share{end}"] for end in ("", "_lower", "_upper")]
    print("{:>17}: copied share {:.2f} (95 % interval {:.2f} to {:.2f})".format(name, *values))
parts = (digits.train, digits.validation, digits.test)
a, b, c = ({picture.tobytes() for picture in part.images} for part in parts)
print(f"pictures: {len(a):,}, {len(b):,} and {len(c):,}; in two of the parts: {len(a & b | a & c | b & c)}")

# %% [markdown]
# The share of the held-out digits is above 0 although they are no copies: their writers wrote training digits, too, and
# those of the test digits, which they are compared with, did not. So such numbers, too, belong beside real ones.
#
# **Put right:** `load_dataset` gives three parts that have no picture in common.
#
# ### Fault 18: digits that are flipped and turned
#
# Flips and large rotations are good augmentation for cats. A mirrored 2 is no digit, and a 6 on its head is a 9. A GAN
# trained on such data draws such digits. What do they become, for a classifier that has never seen one?

# %%
test = digits.test.at_most(JUDGED)
upright, truth = images.from_uint8(test.images.astype("float32")), test.labels
changed = {
    "as they are": upright,
    "mirrored": upright[:, :, ::-1],
    "on their head": upright[:, ::-1, ::-1],
    "turned by up to 12 degrees, moved, scaled": gan.classifier.Distortion()(upright, (0, 0)).numpy(),
}
examples = [np.flatnonzero(truth == digit)[0] for digit in range(10)]
rows = np.concatenate([pictures[examples] for pictures in changed.values()])
show(rows, "As they are, mirrored, on their head, distorted a little", across="digit 0 to 9")
for name, pictures in changed.items():
    found, _ = gan.classifier.classify(classifier, pictures)
    sixes, twos = found[truth == 6], found[truth == 2]
    print(f"{name:>41}: {np.mean(found == truth):.1%} read as before;", end=" ")
    print(f"6 becomes 9: {np.mean(sixes == 9):.0%}, 2 becomes 5: {np.mean(twos == 5):.0%}")

# %% [markdown]
# **Put right:** a classifier learns from digits that are distorted a little (`Distortion`). A GAN needs more care,
# since it draws what it sees: `gan.augment` changes real and made pictures alike before D, and never what G draws.
#
# ## F. Saving and showing: faults 15, 16, 17
#
# ### Fault 15: files are loaded that nothing ever saved

# %%
print("load generator.h5:", attempt(lambda: keras.models.load_model("generator.h5")))
best = results["convolutional"].generator_ema
best.save("generator.keras")
loaded = gan.load_generator("generator.keras")
difference = np.abs(gan.generate(loaded, 100) - gan.generate(best, 100)).max()
print("after saving it: largest difference", difference)

# %% [markdown]
# **Put right:** save what you load. `GeneratorCheckpoint` does it at every look, so that a training that is broken off
# leaves its last generator; the file is always a whole one.
#
# ### Fault 16: pictures are shown without undoing the scaling
#
# Bytes go from 0 to 255, our numbers from -1 to 1. Who forgets that gets other pictures, at times so little other that
# one does not see it. `plt.imshow` hides more: it stretches each picture to all of its colours.

# %%
x = upright[examples]
true = test.images[examples].astype(int)
ways = {
    "x as bytes": x.astype(int) % 256,
    "255 x as bytes": (255 * x).astype(int) % 256,
    "255 x, cut off": np.clip(255 * x, 0, 255).astype(int),
    "to_uint8(x)": images.to_uint8(x).astype(int),
}
show(
    np.concatenate(list(ways.values())),
    "The four ways, in the order of the list below",
    across="digit 0 to 9",
    white=255,
    black=0,
)
for name, picture in ways.items():
    off = np.abs(picture - true)
    print(f"{name:>14}: {np.mean(off > 0):.1%} of the bytes are wrong, by {off.mean():.1f} on average")
last = beginner["fake"][0]
print(f"The picture of fault 9 was {last.min():.2f} to {last.max():.2f}; imshow gave it all of its colours.")

# %% [markdown]
# **Put right:** `images.to_uint8` is the only place that scales back, the exact inverse of the scaling of the data.
#
# ### Fault 17: a colour file for a grey model, scaled in another way
#
# The program wants to classify a photograph with a model of digits. Here are such files: dark ink on white paper, RGB,
# 112 x 112. The model was trained on one channel, light on dark, 28 x 28, in [-1, 1].

# %%
from PIL import Image

folder = Path("photos")
folder.mkdir(exist_ok=True)
for number in range(JUDGED // 10):
    paper = Image.fromarray(255 - test.images[number, :, :, 0]).resize((112, 112)).convert("RGB")
    paper.save(folder / f"{number:04d}.png")
files = sorted(folder.glob("*.png"))
as_it_is = np.asarray(Image.open(files[0]), np.float32)[None]
print("as it is:", as_it_is.shape, "->", attempt(lambda: classifier(as_it_is)))

# %% [markdown]
# The shape is refused, and so people make it fit: one channel, 28 x 28. That the range is another, and that black and
# white have changed places, nobody refuses. It answers, and too often wrongly.

# %%
small = [np.asarray(Image.open(file).convert("L").resize((28, 28)), np.float32)[..., None] for file in files]
made = {
    "0 to 255": np.stack(small),
    "0 to 1": np.stack(small) / 255,
    "-1 to 1": images.from_uint8(np.stack(small)),
    "read_digit": np.stack([gan.read_digit(file) for file in files]),
}
for name, pictures in made.items():
    read, _ = gan.classifier.classify(classifier, pictures)
    print(f"{name:>10}: {np.mean(read == truth[: len(files)]):.1%} read right")

# %% [markdown]
# **Put right:** `read_digit` finds out which is ink and which is paper, cuts the digit out, brings it to the size and
# place that the digits of MNIST have, and to the range that the model was trained with.
#
# ## G. Judging: faults 14, 19, 20, 22
#
# ### Fault 14: "MSE and SSIM are both high, so the quality is good"
#
# MSE is an error: *lower* is better. And neither means anything here. Both compare two pictures that belong together,
# such as a photograph before and after compression. A made digit belongs to no real one. If one pairs them anyway, as
# they come, this is what one gets:

# %%
count = min(JUDGED, len(digits.test) // 2, len(held_out))
chosen = np.random.default_rng(0).permutation(len(digits.test))[: 2 * count]
reals, others = np.split(images.from_uint8(digits.test.images[chosen].astype("float32")), 2)
sides = {
    "real digits": others,
    "pretrained generator": gan.generate(pretrained, count, seed=1),
    "the mean of all digits": np.repeat(pixels.mean(axis=0, keepdims=True), count, axis=0),
    "black": np.full_like(reals, -1.0),
}
print(f"{'':>22}  MSE   SSIM   Frechet distance")
for name, side in sides.items():
    distance = metrics.FrechetDistance(lambda pictures: extractor(pictures)["features"], extractor.features)
    distance.update_state(reals, side)
    mse, ssim = np.mean((side - reals) ** 2), metrics.ssim_of_pairs(side, reals).mean()
    print(f"{name:>22}  {mse:.3f}  {ssim:.3f}  {float(distance.result()['frechet_distance']):,.1f}")

# %% [markdown]
# By MSE, an empty picture is better than real digits, and a grey blot is better still; SSIM hardly tells them apart.
# The Frechet distance compares all of one side with all of the other, and puts digits first.
#
# **Put right:** a distance between *sets* of pictures, beside what real pictures get (`04_evaluation`).
#
# ### Fault 19: a cross-entropy worked out wrongly
#
# The text says that the cross-entropy of a real picture (y = 1) to which D gives the probability 0.2 is 0.306.

# %%
logit = np.log(0.2 / 0.8)
found = {
    "-log(0.2)": -np.log(0.2),
    "Keras": float(keras.losses.binary_crossentropy(tf.ones((1,)), tf.constant([0.2]))),
    "softplus of the logit": float(losses.binary_cross_entropy_real(np.float32(logit))),
}
for name, value in found.items():
    print(f"{name:>21}: {value:.3f}; {value / 0.306:.1f} times what the text says")
print(f"0.306 belongs to a probability of {np.exp(-0.306):.3f}: a D that is nearly right")

# %% [markdown]
# **Put right:** 1.609. Losses that one cannot check by hand have a test that does.
#
# ### Fault 20: the gradient of right and wrong
#
# The text wants to lower the share of wrong answers by following its gradient. An answer is wrong, 1, or right, 0. A
# small change of a weight almost never changes an answer; so the gradient is 0, and where it jumps there is none.

# %%
chosen = np.flatnonzero((digits.train.labels == 4) | (digits.train.labels == 9))[:1_000]
x, y = pixels[chosen].reshape(len(chosen), -1), (digits.train.labels[chosen] == 9).astype("float32")
w = np.random.default_rng(0).normal(scale=0.01, size=x.shape[1]).astype("float32")


def error_rate(w):
    return np.mean((x @ w > 0) != y)


def cross_entropy(w):
    return np.mean(np.logaddexp(0, -(2 * y - 1) * (x @ w)))


for name, loss in (("error rate", error_rate), ("cross-entropy", cross_entropy)):
    nudged = [loss(w + 1e-4 * np.eye(1, len(w), i, dtype="float32")[0]) for i in range(0, len(w), 2)]
    print(f"{name:>13}: {np.mean(np.array(nudged) != loss(w)):.0%} of the weights change it when nudged")

# %% [markdown]
# **Put right:** follow the gradient of something smooth that is small when few answers are wrong, and *count* the
# errors to judge, to stop, and to decide.

# %%
before, followed = error_rate(w), w.copy()
for _ in range(200):
    followed -= 0.01 * x.T @ (1 / (1 + np.exp(-x @ followed)) - y) / len(x)
print(f"wrong before: {before:.1%}, after 200 steps down the cross-entropy: {error_rate(followed):.1%}")
scores = np.linspace(-4, 4, 401)
plt.plot(scores, scores < 0, label="wrong or right: flat, with a jump")
plt.plot(scores, np.logaddexp(0, -scores), label="cross-entropy: downhill everywhere")
plt.title("What one can follow")
plt.xlabel("score of the right answer")
plt.ylabel("loss")
plt.legend()
plt.show()

# %% [markdown]
# ### Fault 22: a weighted average worked out wrongly
#
# Two networks give an image the probabilities [0.9, 0.1] and [0.1, 0.9]. The text says that their average with the
# weights 0.6 and 0.4 is [0.54, 0.46].

# %%
probabilities, weight_of = np.array([[0.9, 0.1], [0.1, 0.9]]), np.array([0.6, 0.4])
terms = weight_of[:, None] * probabilities
for number in range(2):
    first, second = terms[:, number]
    print(f"class {number}: {first:.2f} + {second:.2f} = {first + second:.2f}")
print("numpy.average:", np.average(probabilities, axis=0, weights=weight_of).round(2))

# %% [markdown]
# 0.54 is the term of the first network alone: 0.6 times 0.9. The second network adds 0.4 times 0.1. The text's second
# number, 0.46, is what its first lacks to 1; so nothing looks wrong.
#
# **Put right:** [0.58, 0.42]. An average is the sum of the terms of all networks, and two lines of NumPy check it.
#
# ## All of it put right
#
# | fault | what holds now |
# |---|---|
# | 1, 2, 7, 9 | shapes are derived, batches are drawn, and what is missing is said before training begins |
# | 5, 6, 8 | D is in G's loss; a gradient names the weights it is for; one pass for reals and fakes |
# | 3, 4, 10 | tanh and one range; convolutions where they are promised; logits |
# | 11, 12, 21 | the step is a graph; a pass sees everything once; training ends when it is good |
# | 13, 18 | three parts without a common picture; no flips, no large rotations |
# | 15, 16, 17 | what is loaded was saved; one place for the range; files are brought to what the model knows |
# | 14, 19, 20 | sets are compared, not pairs; losses are checked by hand; errors are counted, not followed |
# | 22 | a weighted average has a term for every network |
#
# And this is what the corrected program looks like, the one whose convolutional D was measured under fault 4:
#
# ```python
# digits = gan.load_dataset("mnist")
# model = gan.GAN(gan.build_generator(digits.image_shape, 100, 10), gan.build_discriminator(digits.image_shape, 10))
# optimizers = [keras.optimizers.Adam(1e-3, beta_1=0.0, beta_2=0.99) for _ in range(2)]
# model.compile(*optimizers)
# model.fit(digits.train.batches(32, steps=1_500), shuffle=False)
# model.generator_ema.save("generator.keras")
# ```

# %%
show(gan.generate(loaded, 40), "What it draws", across="class 0 to 9", down="four of each")
