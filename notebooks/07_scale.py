# %% [markdown]
# # Scale: GPU, mixed precision, several devices, several machines
#
# The same training can run on one core, on a GPU, on several GPUs, or on several machines. This notebook shows what
# one has to change for that (little), what changes by itself, and what stays exactly the same.
#
# **Needs:** a laptop without a GPU. Parts of the CPU play the devices, and two processes play two machines.
# So it shows that the results agree. It cannot show how much faster several GPUs are: **this notebook has not been run
# on a GPU.** What is said about GPUs below from documentation alone is marked *(not measured)*.
#
# **Takes:** about 3 minutes on two cores.
#
# **Afterwards you know** what the batch means when several devices share it; what is equal to the last
# digits and what is not; what mixed precision does; how to start a run on several machines; and which numbers you have
# to choose anew when you scale up.

# %%
from importlib.util import find_spec

from IPython import get_ipython

if find_spec("gan") is None:  # as in Colab
    get_ipython().run_line_magic("pip", "install --quiet gan-reference")

# %% tags=["parameters"] quick={"STEPS": 2, "OPTIMIZERS": ["Adam"], "IMAGES": 512, "BATCHES": [64], "JUDGED": 200}
STEPS = 20  # of the runs whose weights are compared
OPTIMIZERS = ["SGD", "Adam"]  # of these runs
IMAGES = 24_576  # of the runs whose quality is compared
BATCHES = [16, 64, 256]  # images in a batch: sizes that are tried
JUDGED = 2_000  # validation digits that the quality is measured with

# %%
from gan import start_tensorflow

print(start_tensorflow(seed=0))

import json
import os
import socket
import subprocess
import sys
import time
import warnings
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

import gan
from gan import GAN, build_discriminator, build_generator, generate, images, load_classifier, load_dataset

# %%
plt.rcParams.update(gan.evaluation.STYLE)
with warnings.catch_warnings(action="ignore"):  # where MNIST is not at hand, 5,000 digits take its place
    digits = load_dataset("mnist")
print(digits.name, "| devices:", [device.name for device in tf.config.list_physical_devices()])

# %% [markdown]
# ## 1. One GPU
#
# There is nothing to do. When TensorFlow sees a GPU, the networks run on it. `gan doctor` on the command line, or the
# first line above, tells whether it does. Memory on the GPU grows as it is needed, so that other programs find some,
# too *(not measured)*.
#
# XLA does not compile the train step unless it is asked to: `jit_compile="auto"` is off, and `True` turns it on. On an
# H100 no first step came within 170 seconds with XLA; without it the same run trains at 113 steps/s. On a CPU, XLA made
# convolutions many times slower. It also draws other random numbers from the same seed.
#
# ## 2. Several devices share each batch
#
# With `gan train --devices 2` two GPUs share each batch; where there is no GPU, two parts of the CPU do. Each device
# has a copy of the weights (a *replica*), computes the gradients of its half of the batch, and adds its gradients
# to those of the other. Then all move their weights alike.
#
# **The batch is that of the run, not that of a device.** So nothing else has to be changed: not the learning rate, not
# the number of steps. The statistics of batch normalization are those of the whole batch, too, and replica 0 gets the
# first half of the very latents and images that a single device would get.
#
# If this is true, then one device and two devices must end with the same weights. Let us see. TensorFlow fixes its
# devices when it is first used, so each run needs a process of its own: we write a small program.

# %%
SCRIPT = """
import sys
import time
from gan import start_devices
count, steps, file, *optimizers = sys.argv[1:]
devices = start_devices(int(count), seed=0)
import keras
import numpy as np
from gan import GAN, build_discriminator, build_generator, load_dataset

digits, found = load_dataset("mnist5k"), {}
for name in optimizers:
    keras.utils.set_random_seed(0)
    optimizer = getattr(keras.optimizers, name)
    with devices.strategy.scope():
        shape = digits.image_shape
        gan = GAN(build_generator(shape, 16, 10, width=8), build_discriminator(shape, 10, width=8))
        gan.compile(optimizer(2e-3), optimizer(2e-3))
    gan.fit(digits.train.batches(32, steps=1), shuffle=False, verbose=0)
    started = time.perf_counter()
    gan.fit(digits.train.batches(32, steps=int(steps), first_step=1), shuffle=False, verbose=0)
    found[name] = np.concatenate([w.numpy().ravel() for w in gan.generator.weights])
    found[f"seconds_{name}"] = time.perf_counter() - started
np.savez(file, **found)
"""

# %% [markdown]
# The only lines that know of devices are `start_devices(...)` and `with devices.strategy.scope()`. Both do no harm on
# one device. `gan train` has them inside.

# %%
folder = Path("runs-compared")
folder.mkdir(exist_ok=True)
(folder / "small.py").write_text(SCRIPT)


def free_port():
    """A port of this machine that nobody uses."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def start(name, devices=1, **variables):
    """A process that trains, and what it is called."""
    arguments = [devices, STEPS, folder / f"{name}.npz", *OPTIMIZERS]
    command = [sys.executable, folder / "small.py", *map(str, arguments)]
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}  # shown if it fails
    return subprocess.Popen(command, env={**os.environ, **variables}, **pipes)


def finish(*processes):
    """Waits for processes, all of which must succeed."""
    for process in processes:
        _, said = process.communicate()
        assert process.returncode == 0, said.decode()


# %% [markdown]
# ## 3. Several machines
#
# Every machine runs the same program. The environment variable `TF_CONFIG` tells each of them who takes part, and
# which one it is. Here both are on this machine, at two free ports.

# %%
workers = [f"127.0.0.1:{free_port()}" for _ in range(2)]
config = [{"cluster": {"worker": workers}, "task": {"type": "worker", "index": i}} for i in range(2)]
print("TF_CONFIG of worker 1:", json.dumps(config[1]))
finish(start("one device"))
finish(start("two devices", devices=2))
finish(*(start(f"worker {i}", TF_CONFIG=json.dumps(config[i])) for i in range(2)))

# %% [markdown]
# Now compare the weights of G at the end with those of one device: how far apart they are, on average and at most.
# Beside it stands how long the steps took.

# %%
ends = {path.stem: np.load(path) for path in sorted(folder.glob("*.npz"))}
one = ends["one device"]
for optimizer in OPTIMIZERS:
    size = np.abs(one[optimizer]).mean()
    print(f"{optimizer}, {STEPS} steps; weights of {size:.2f} on average; differences: mean, largest")
    for name, end in ends.items():
        apart = np.abs(end[optimizer] - one[optimizer])
        seconds = float(end[f"seconds_{optimizer}"])
        print(f"    {name:12s} {seconds:5.1f} s {apart.mean():12.1e} {apart.max():9.1e}")
print(
    "worker 0 and worker 1 agree to the last bit:",
    all(np.array_equal(ends["worker 0"][name], ends["worker 1"][name]) for name in OPTIMIZERS),
)

# %% [markdown]
# One device and two compute the same sums, but add the numbers in another order, and float32 rounds after each
# addition. Under SGD that is all one sees. Adam divides each gradient by its usual size. Where a gradient is all but
# zero, what remains of it is rounding, and Adam makes a whole step of it; so its differences are larger. Both workers
# add the same gradients in the same order, and stay equal.
#
# In a long training small differences grow. Expect other pictures from several devices, as from another seed, and
# pictures as good. Do not expect speed from this machine: the replicas share its cores, and have to wait for each other
# in every step.
#
# On real machines, one sets the variable and starts the same command everywhere:
#
# ```sh
# export TF_CONFIG='{"cluster": {"worker": ["host0:2222", "host1:2222"]}, "task": {"type": "worker", "index": 0}}'
# gan train --batch-size 64              # index 0 on host0; the same with index 1 on host1
# ```
#
# * Each worker needs the data. Before the first step they compare its SHA-256, and their options.
# * The first worker writes the run folder, and decides when to stop; the others hear from it.
# * They wait for each other for two minutes. When one dies, the others end and say so; `gan train --resume RUN` on each
#   of them goes on from the last complete interval.
# * What travels in each step is the gradient of every weight, so the network between the machines must be fast
#   *(not measured; two processes on one machine share its memory)*.
#
# ## 4. Mixed precision
#
# `gan train --precision mixed_bfloat16` lets the networks compute with numbers of 16 bits in the place of 32:
# bfloat16 has the range of float32, but only about three digits. On GPUs and CPUs with units for it, that is faster
# and takes half the memory for activations *(not measured on GPUs)*. The weights themselves, the losses, the penalties
# and the average stay float32, and so does the file that is saved.

# %%
probe = gan.classifier.Extractor(load_classifier("mnist-probe")[0])
chosen = np.random.default_rng(0).permutation(len(digits.validation))[:JUDGED]
held_out = digits.validation.take(chosen).in_order(100)


def train(precision="float32", batch=64, rate=4e-3):
    """Trains on IMAGES images: the GAN, images/s (without four steps that compile), and its quality."""
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(precision)
    model = GAN(build_generator(digits.image_shape, 32, 10), build_discriminator(digits.image_shape, 10))
    keras.config.set_dtype_policy("float32")  # layers keep the precision that they were built with
    optimizers = [keras.optimizers.Adam(lr, beta_1=0.0, beta_2=0.99) for lr in (rate, rate / 2)]
    measured = [gan.evaluation.quality_metric(probe)]
    model.compile(*optimizers, metrics=measured, steps_per_execution=4)
    model.fit(digits.train.batches(batch, steps=4), shuffle=False, verbose=0)
    started = time.perf_counter()
    steps = IMAGES // batch - 4
    model.fit(digits.train.batches(batch, steps=steps, first_step=4), shuffle=False, verbose=0)
    speed = batch * steps / (time.perf_counter() - started)
    return model, speed, model.evaluate(held_out, return_dict=True, verbose=0)


precisions = {name: train(precision=name) for name in ("float32", "mixed_bfloat16")}

# %%
for name, (network, speed, judged) in precisions.items():
    layer, saved = (net.layers[-3] for net in (network.generator, network.generator_ema))
    print(f"{name}: computes in {layer.compute_dtype}, weights in {layer.variable_dtype},", end=" ")
    print(f"the saved average computes in {saved.compute_dtype};")
    print(f"    {speed:,.0f} images/s,", end=" ")
    print(f"Frechet distance {judged['frechet_distance']:.1f}, errors {judged['error_rate']:.1%}")
figure, axes = plt.subplots(1, 2, figsize=(12, 4), layout="constrained")
for axis, (name, (network, _, _)) in zip(axes, precisions.items()):
    drawn = generate(network.generator_ema, 40, seed=0)
    axis.imshow(images.grid(images.to_uint8(drawn), columns=10), cmap="gray")
    axis.set(title=f"trained in {name}: the same 40 latents", xticks=[], yticks=[])
    axis.grid(visible=False)
plt.show()

# %% [markdown]
# What is saved is float32 in both cases. Whether bfloat16 is faster, the lines above say for this machine: a CPU with
# units for it (AMX) gains, another one has to imitate it. `--precision auto`, the default of `gan train`, takes it
# where the CPU has them.
#
# The rounding differs in every step, so the two trainings part, and the same latents need not give the same pictures.
# Which of the two is better, two runs cannot tell: another seed changes the distance, too. Only a large difference
# would mean something.
#
# ## 5. What you must choose anew: the batch
#
# Several devices only help when each has enough to do. So with more devices one wants larger batches, and that does
# change the training. Here the same number of images is seen in batches of several sizes.

# %%
runs = {f"{batch}": precisions["float32"] if batch == 64 else train(batch=batch) for batch in BATCHES}
runs[f"{BATCHES[-1]}, twice the rate"] = train(batch=BATCHES[-1], rate=8e-3)
figure, axes = plt.subplots(1, 2, figsize=(12, 4), layout="constrained")
speed = [speed for _, speed, _ in runs.values()]
distance = [judged["frechet_distance"] for _, _, judged in runs.values()]
for axis, values, name in zip(axes, (speed, distance), ("images/s", "Frechet distance (lower is better)")):
    bars = axis.bar(list(runs), values, color=["tab:blue"] * len(BATCHES) + ["tab:orange"])
    axis.bar_label(bars, fmt="%.0f")
    axis.set(title=f"{IMAGES:,} images seen", xlabel="images in a batch", ylabel=name)
plt.show()

# %% [markdown]
# On the left is what larger batches gain here, on the right what they cost. At the same number of images, a batch four
# times as large leaves a quarter of the steps, and in fewer steps of the same size the networks get less far. Many then
# raise the learning rate with the batch: the orange bar is the largest batch with twice the rate. Compare it with the
# bar before it. How much of that a GAN bears has to be tried; there is no rule that always holds.
#
# What does *not* have to be chosen anew: everything that is counted in images. The average of G has a half-life in
# images (`ema_half_life`), intervals and the length of a run are in images, so they mean the same with every batch.
#
# ## 6. What changes, and what does not
#
# | | one device to several | float32 to mixed_bfloat16 | another batch size |
# |---|---|---|---|
# | weights at the end | equal but for rounding, which grows | others | others |
# | data order, latents | equal | equal | others |
# | learning rate | stays | stays | to be tried anew |
# | half-life of the average | stays | stays | stays |
# | `steps_per_execution` | 1 | as set | as set |
# | files of the run | the same, by the first worker | the same, float32 | the same |
#
# Refused with several devices, with a message that says so: batches that cannot be shared evenly, and penalties on a
# discriminator with batch normalization.
#
# **Not measured yet:** memory on any GPU, several GPUs, and a network between machines.
