# %% [markdown]
# # Scale: GPU, mixed precision, several devices, several machines
#
# The same training can run on one core, on a GPU, on several GPUs, or on several machines. This notebook shows what
# you have to change for this (little). It also shows what changes by itself, and what stays exactly the same.
#
# **Needs:** a laptop without a GPU. Parts of the CPU simulate the devices, and two processes simulate two machines.
# The notebook therefore shows that the results agree. It cannot show how much faster several GPUs are: **this
# notebook has not been run on a GPU.** Statements about GPUs that come from documentation alone are marked *(not
# measured)*.
#
# **Takes:** about 3 minutes on two cores.
#
# **Afterwards you know** what the batch means when several devices share it, and which results are equal up to
# rounding. You know what mixed precision does, and how to start a run on several machines. You also know which
# settings to choose again when you scale up.

# %%
from importlib.util import find_spec

from IPython import get_ipython

if find_spec("gan") is None:  # for example in Colab
    get_ipython().run_line_magic("pip", "install --quiet gan-reference")

# %% tags=["parameters"] quick={"STEPS": 2, "OPTIMIZERS": ["Adam"], "IMAGES": 512, "BATCHES": [64], "EVALUATED": 200}
STEPS = 20  # training steps of the runs whose weights are compared
OPTIMIZERS = ["SGD", "Adam"]  # optimizers of these runs
IMAGES = 24_576  # training images of the runs whose quality is compared
BATCHES = [16, 64, 256]  # batch sizes that are compared
EVALUATED = 2_000  # validation digits for measuring the quality

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
with warnings.catch_warnings(action="ignore"):  # hides the warning if 5,000 digits replace MNIST
    digits = load_dataset("mnist")
print(digits.name, "| devices:", [device.name for device in tf.config.list_physical_devices()])

# %% [markdown]
# ## 1. One GPU
#
# You do not have to change anything. If TensorFlow finds a GPU, the networks run on it. `gan doctor` on the command
# line, or the first line above, shows whether it does. GPU memory is allocated as needed, which leaves some for other
# programs *(not measured)*.
#
# XLA compiles the train step where it is known to work: `jit_compile="auto"` is on only on a GPU for which
# `gan doctor --test-jit PRESET` has found XLA to be correct and faster. On an H100 with XLA, the first step did not
# finish within 170 seconds. Without XLA, the same run trains at 113 steps/s. On a CPU, XLA makes convolutions slower.
# All modes draw the same random numbers. `docs/gpu.md` says more.
#
# ## 2. Several devices share each batch
#
# With `gan train --devices 2`, two GPUs share each batch. Without a GPU, two parts of the CPU share it. Each device
# has a copy of the weights (a *replica*), and computes the gradients of its half of the batch. The gradients of both
# devices are added. Then both apply the same update.
#
# **The batch size is a property of the run, not of a device.** Nothing else has to be changed: not the learning rate,
# and not the number of steps. The statistics of batch normalization also use the whole batch. Replica 0 receives the
# first half of exactly the latents and images that a single device would receive.
#
# If this is true, one device and two devices must end with the same weights. The next cells check it. TensorFlow
# fixes its devices at the first use, so each run needs its own process. The next cell contains a small program for
# it.

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

digits, results = load_dataset("mnist5k"), {}
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
    results[name] = np.concatenate([w.numpy().ravel() for w in gan.generator.weights])
    results[f"seconds_{name}"] = time.perf_counter() - started
np.savez(file, **results)
"""

# %% [markdown]
# Only two lines refer to devices: `start_devices(...)` and `with devices.strategy.scope()`. Neither changes anything
# on one device. `gan train` contains both.

# %%
folder = Path("runs-compared")
folder.mkdir(exist_ok=True)
(folder / "small.py").write_text(SCRIPT)


def free_port():
    """Returns a free port of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def start(name, devices=1, **variables):
    """Starts a process that trains, and writes its final weights to `name`.npz."""
    arguments = [devices, STEPS, folder / f"{name}.npz", *OPTIMIZERS]
    command = [sys.executable, folder / "small.py", *map(str, arguments)]
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}  # shown if the process fails
    return subprocess.Popen(command, env={**os.environ, **variables}, **pipes)


def finish(*processes):
    """Waits for processes, and checks that all of them succeeded."""
    for process in processes:
        _, errors = process.communicate()
        assert process.returncode == 0, errors.decode()


# %% [markdown]
# ## 3. Several machines
#
# Every machine runs the same program. The environment variable `TF_CONFIG` lists all workers, and gives each worker
# its index. Here both workers run on this machine, at two free ports.

# %%
workers = [f"127.0.0.1:{free_port()}" for _ in range(2)]
config = [{"cluster": {"worker": workers}, "task": {"type": "worker", "index": i}} for i in range(2)]
print("TF_CONFIG of worker 1:", json.dumps(config[1]))
finish(start("one device"))
finish(start("two devices", devices=2))
finish(*(start(f"worker {i}", TF_CONFIG=json.dumps(config[i])) for i in range(2)))

# %% [markdown]
# Now compare the final weights of G with those of one device: the mean and the largest difference. The output also
# shows how long the steps took.

# %%
results = {path.stem: np.load(path) for path in sorted(folder.glob("*.npz"))}
one_device = results["one device"]
for optimizer in OPTIMIZERS:
    size = np.abs(one_device[optimizer]).mean()
    print(f"{optimizer}, {STEPS} steps, mean absolute weight {size:.2f}")
    print(f"    {'':12s} {'time':>7s} {'mean difference':>16s} {'largest':>9s}")
    for name, result in results.items():
        difference = np.abs(result[optimizer] - one_device[optimizer])
        seconds = float(result[f"seconds_{optimizer}"])
        print(f"    {name:12s} {seconds:5.1f} s {difference.mean():16.1e} {difference.max():9.1e}")
print(
    "weights of worker 0 and worker 1 are bit-identical:",
    all(np.array_equal(results["worker 0"][name], results["worker 1"][name]) for name in OPTIMIZERS),
)

# %% [markdown]
# One device and two devices compute the same sums, but add the numbers in a different order. float32 rounds after
# each addition. With SGD, this is the only difference. Adam divides each gradient by its usual size. If a gradient is
# almost zero, only rounding is left, and Adam turns it into a full step. Its differences are therefore larger. Both
# workers add the same gradients in the same order, and stay equal.
#
# In a long training, small differences grow. Expect different samples from several devices, as from another seed, but
# equally good ones. Do not expect a speedup on this machine: the replicas share its cores, and wait for each other in
# each step.
#
# On real machines, set the variable and start the same command on each machine:
#
# ```sh
# export TF_CONFIG='{"cluster": {"worker": ["host0:2222", "host1:2222"]}, "task": {"type": "worker", "index": 0}}'
# gan train --batch-size 64              # index 0 on host0; the same with index 1 on host1
# ```
#
# * Each worker needs the data. Before the first step, the workers compare its SHA-256 and their options.
# * The first worker writes the run folder, and decides when to stop. It informs the others.
# * The workers wait up to two minutes for each other. If one dies, the others end with an error. Run
#   `gan train --resume RUN` on each of them to resume from the last complete interval.
# * Each step transfers the gradients of all weights, so the network between the machines must be fast *(not measured;
#   two processes on one machine share its memory)*.
#
# ## 4. Mixed precision
#
# With `gan train --precision mixed_bfloat16`, the networks compute with 16-bit numbers instead of 32-bit numbers.
# bfloat16 has the range of float32, but only about three digits. GPUs and CPUs with bfloat16 units compute faster
# with it, and need half the memory for activations *(not measured on GPUs)*. The weights, losses, penalties and
# moving average stay float32, and so does the saved file.

# %%
probe = gan.classifier.Extractor(load_classifier("mnist-probe")[0])
chosen = np.random.default_rng(0).permutation(len(digits.validation))[:EVALUATED]
held_out = digits.validation.take(chosen).in_order(100)


def train(precision="float32", batch=64, rate=4e-3):
    """Trains on IMAGES images. Returns the GAN, images/s (without the first four steps), and its quality."""
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(precision)
    model = GAN(build_generator(digits.image_shape, 32, 10), build_discriminator(digits.image_shape, 10))
    keras.config.set_dtype_policy("float32")  # existing layers keep their precision
    optimizers = [keras.optimizers.Adam(lr, beta_1=0.0, beta_2=0.99) for lr in (rate, rate / 2)]
    quality = gan.evaluation.quality_metric(probe)
    model.compile(*optimizers, metrics=[quality], steps_per_execution=4)
    model.fit(digits.train.batches(batch, steps=4), shuffle=False, verbose=0)
    started = time.perf_counter()
    steps = IMAGES // batch - 4
    model.fit(digits.train.batches(batch, steps=steps, first_step=4), shuffle=False, verbose=0)
    speed = batch * steps / (time.perf_counter() - started)
    return model, speed, model.evaluate(held_out, return_dict=True, verbose=0)


precisions = {name: train(precision=name) for name in ("float32", "mixed_bfloat16")}

# %%
for name, (model, speed, quality) in precisions.items():
    layer, saved = (network.layers[-3] for network in (model.generator, model.generator_ema))
    print(f"{name}: computes in {layer.compute_dtype}, weights in {layer.variable_dtype},", end=" ")
    print(f"saved generator computes in {saved.compute_dtype},")
    print(f"    {speed:,.0f} images/s,", end=" ")
    print(f"Frechet distance {quality['frechet_distance']:.1f}, error rate {quality['error_rate']:.1%}")
figure, axes = plt.subplots(1, 2, figsize=(12, 4), layout="constrained")
for axis, (name, (model, _, _)) in zip(axes, precisions.items()):
    samples = generate(model.generator_ema, 40, seed=0)
    axis.imshow(images.grid(images.to_uint8(samples), columns=10), cmap="gray")
    axis.set(title=f"Trained in {name}: the same 40 latents", xticks=[], yticks=[])
    axis.grid(visible=False)
plt.show()

# %% [markdown]
# The saved generator is float32 in both cases. The lines above show whether bfloat16 is faster on this machine. A CPU
# with units for it (AMX) is faster; any other CPU has to emulate it. `--precision auto`, the default of `gan train`,
# uses bfloat16 if the CPU has these units.
#
# The rounding differs in each step, so the two trainings diverge. The same latents may give different samples. Two
# runs cannot show which of them is better: another seed also changes the distance. Only a large difference would be
# meaningful.
#
# ## 5. What to choose again: the batch size
#
# Several devices only help if each has enough work. More devices therefore call for larger batches, and these change
# the training. The next cell trains on the same number of images with several batch sizes.

# %%
runs = {f"{batch}": precisions["float32"] if batch == 64 else train(batch=batch) for batch in BATCHES}
runs[f"{BATCHES[-1]}\ntwice the learning rate"] = train(batch=BATCHES[-1], rate=8e-3)
figure, axes = plt.subplots(1, 2, figsize=(12, 4), layout="constrained")
speed = [speed for _, speed, _ in runs.values()]
distance = [quality["frechet_distance"] for _, _, quality in runs.values()]
for axis, values, name in zip(axes, (speed, distance), ("images/s", "Frechet distance (lower is better)")):
    bars = axis.bar(list(runs), values, color=["tab:blue"] * len(BATCHES) + ["tab:orange"])
    axis.bar_label(bars, fmt="%.0f")
    axis.set(title=f"{IMAGES:,} training images", xlabel="batch size", ylabel=name)
plt.show()

# %% [markdown]
# The left plot shows the gain from larger batches, and the right plot their cost. At the same number of images, a
# batch four times as large leaves a quarter of the steps. With fewer steps of the same size, the networks make less
# progress. Many people then increase the learning rate with the batch size. The orange bar is the largest batch with
# twice the rate. Compare it with the bar before it. Try how large a rate your GAN tolerates: no rule always holds.
#
# You do *not* have to choose again what is counted in images. The half-life of the moving average of G
# (`ema_half_life`), the intervals and the length of a run are in images. They mean the same with every batch size.
#
# ## 6. What changes, and what does not
#
# | | one device to several | float32 to mixed_bfloat16 | another batch size |
# |---|---|---|---|
# | final weights | equal except for rounding, which grows | different | different |
# | data order, latents | equal | equal | different |
# | learning rate | unchanged | unchanged | try again |
# | half-life of the moving average | unchanged | unchanged | unchanged |
# | `steps_per_execution` | 1 | as set | as set |
# | files of the run | the same, by the first worker | the same, float32 | the same |
#
# With several devices, two settings raise an error: batches that cannot be split evenly, and penalties on a
# discriminator with batch normalization.
#
# **Not measured yet:** memory on any GPU, several GPUs, and a network between machines.
