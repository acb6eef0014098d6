# %% [markdown]
# # Tolerance: how often may a model be wrong?
#
# **Needs:** a laptop; no GPU, no network.
#
# **Takes:** about 2 minutes on two cores.
#
# **Afterwards you will know** how to measure an error rate and its uncertainty, how to choose a tolerance, and why
# frequent checks distort the result. You will know how to stop training when a model is good enough, and how faults
# affect a model. You will also know how to make a release depend on all this.

# %%
from importlib.util import find_spec

from IPython import get_ipython

if find_spec("gan") is None:  # for example in Colab
    get_ipython().run_line_magic("pip", "install --quiet gan-reference")

# %% tags=["parameters"] quick={"NUM": 400, "EVALUATIONS": 1, "CURVE": 40, "RELEASE": 200, "GATES": [0.05]}
NUM = 4_000  # samples for measuring the error rate
TRIALS = 20_000  # repetitions of the simulation
STEPS = 200  # training steps of the GAN between two evaluations
EVALUATIONS = 12  # maximum number of evaluations
CURVE = 500  # samples per point of the perturbation curve
RELEASE = 500  # samples in the evaluation before a release
GATES = [0.05, 0.01, 0.0001]  # tolerances for the release

# %%
from gan import start_tensorflow

print(start_tensorflow(seed=0))

# %%
import warnings

import keras
import matplotlib.pyplot as plt
import numpy as np

import gan
from gan import (
    GAN,
    build_discriminator,
    build_generator,
    generate,
    load_classifier,
    load_dataset,
    load_generator,
    metrics,
    perturbation,
)

plt.rcParams.update(gan.evaluation.STYLE)

# %% [markdown]
# ## An error rate is a count
#
# The pretrained generator generates the digit that you request. How often does it generate another digit, or
# something unreadable? A classifier predicts the class of each sample; on real digits, it is nearly always right. An
# outcome is *wrong* if the predicted class is not the requested digit. The error rate is the number of wrong outcomes
# divided by the number of outcomes.

# %%
generator = load_generator("mnist")
classifier, _ = load_classifier("mnist-classifier")
samples = generate(generator, NUM, seed=0)
requested = np.arange(NUM) % 10  # the classes that `generate` uses by default
logits = gan.classifier.Extractor(classifier).arrays(samples)["logits"]
wrong = np.asarray(metrics.wrong_outcomes(logits, requested))
rate = gan.tolerance.ErrorRate(int(wrong.sum()), NUM)
print(f"{rate.wrong} of {rate.n} samples are wrong: {rate.value:.2%}")

# %% [markdown]
# The next cell shows some wrong samples. Some are bad, and for some the answer of the classifier is debatable. The
# error rate also includes the errors of the classifier on real digits (about one in two hundred).

# %%
shown = np.flatnonzero(wrong)[:12]
_, axis = plt.subplots(figsize=(11, 1.6))
axis.imshow(gan.images.grid(gan.images.to_uint8(samples[shown]), columns=12)[..., 0], cmap="gray")
classes = [f"{a}→{b}" for a, b in zip(requested[shown], logits[shown].argmax(axis=1))]
axis.set_xticks([15 + 30 * i for i in range(len(shown))], classes)
axis.set(title="Samples that are classified as another digit", xlabel="requested → predicted", yticks=[])
axis.grid(False)
plt.show()

# %% [markdown]
# ## How certain is an error rate?
#
# Other samples would give another number. We want to know the *true* error rate, which an unlimited number of samples
# would give. A confidence interval is a range for it. An interval computed in this way contains the true rate in 95
# of 100 cases.
#
# We use the Wilson interval. The textbook interval, rate ± 1.96 standard errors, fails where it matters most. Without
# any wrong outcome, it says that the true rate is 0, even after ten samples.

# %%
print("wrong  outcomes   textbook           Wilson")
for count, n in ((0, 10), (0, 100), (0, 1_000), (1, 100)):
    p = count / n
    half = 1.96 * (p * (1 - p) / n) ** 0.5
    low, high = gan.tolerance.ErrorRate(count, n).interval
    print(f"{count:5d}  {n:8d}   {p - half:6.2%} to {p + half:6.2%}   {low:6.2%} to {high:6.2%}")

# %% [markdown]
# More samples make the interval narrower, but slowly: half the width needs four times as many samples.

# %%
n = np.unique(np.geomspace(20, NUM, 60).astype(int))
so_far = wrong.cumsum()[n - 1] / n
low, high = gan.tolerance.wilson_bounds(so_far, n, np.sqrt)
plt.figure(figsize=(8, 3.2))
plt.fill_between(n, 100 * np.maximum(low, 0), 100 * high, alpha=0.25, label="Wilson 95 % interval")
plt.plot(n, 100 * so_far, label="error rate so far")
plt.axhline(2, color="black", linestyle=":", label="tolerance of 2 %")
plt.xscale("log")
plt.xticks([20, 100, 500, 2_000], [20, 100, 500, "2,000"])
plt.minorticks_off()
plt.ylim(0, 12)
plt.xlabel("samples evaluated")
plt.ylabel("error rate (%)")
plt.title("The interval shrinks with the number of samples")
plt.legend()
plt.show()

# %% [markdown]
# ## Choose a tolerance
#
# The *tolerance* is the error rate that you accept. It is a decision, not a measurement: what does a wrong outcome
# cost, and who pays for it? Decide **before** you look at the numbers. Afterwards, you can always choose a tolerance
# that fits.
#
# The interval gives the verdict, not the rate alone. *within*: the upper bound is at or below the tolerance.
# *exceeded*: the lower bound is above it. Otherwise the verdict is *undecided*. `samples_needed` then returns how
# many new outcomes would decide, if the rate stays the same.

# %%
print(f"error rate {rate.value:.2%}, interval {rate.interval[0]:.2%} to {rate.interval[1]:.2%}")
for tolerance in (0.05, 0.02, 0.01, 0.005, 0.001):
    needed = gan.tolerance.samples_needed(rate, tolerance)
    verdict = gan.tolerance.verdict(rate, tolerance)
    outcomes = f"{needed:,}" if needed else "more than a billion"
    print(f"tolerance {tolerance:.1%}: {verdict:9s}  outcomes needed to decide: {outcomes}")

# %% [markdown]
# A tolerance close to the true rate costs many samples. A tolerance equal to the true rate can never be decided. So
# leave a margin between what you can reach and what you promise.

# %%
true_rate = np.linspace(0.1, 5, 197)  # in percent
rates = [gan.tolerance.ErrorRate(round(1e6 * percent / 100), 10**6) for percent in true_rate]
needed = [gan.tolerance.samples_needed(rate, 0.02) or np.nan for rate in rates]
plt.figure(figsize=(8, 3))
plt.semilogy(true_rate, needed)
plt.axvline(2, color="black", linestyle=":", label="tolerance of 2 %")
plt.xlabel("true error rate (%)")
plt.ylabel("outcomes needed")
plt.title("Outcomes needed to decide about a tolerance of 2 %")
plt.legend()
plt.show()

# %% [markdown]
# ## Frequent checks reduce confidence
#
# A 95 % interval is valid for one check. Training checks the model again and again, and stops as soon as the upper
# bound is within the tolerance. This gives chance many opportunities. The simulation uses a model that is **exactly**
# at the tolerance, so the verdict should hardly ever be *within*. Each check uses 1,000 new outcomes.

# %%
TRUE = TOLERANCE = 0.02
checks = 20
rng = np.random.default_rng(0)
observed = rng.binomial(1_000, TRUE, size=(TRIALS, checks)) / 1_000
_, upper = gan.tolerance.wilson_bounds(observed, 1_000, np.sqrt)
stopped = np.logical_or.accumulate(upper <= TOLERANCE, axis=1)  # within at this check or an earlier one
_, fresh = gan.tolerance.wilson_bounds(rng.binomial(1_000, TRUE, size=TRIALS) / 1_000, 1_000, np.sqrt)
confirmed = stopped & (fresh <= TOLERANCE)[:, None]
plt.figure(figsize=(8, 3.2))
plt.plot(range(1, checks + 1), 100 * stopped.mean(axis=0), "o-", label="stop at the first verdict 'within'")
plt.plot(range(1, checks + 1), 100 * confirmed.mean(axis=0), "s-", label="and confirm once, on new outcomes")
plt.xticks(range(2, checks + 1, 2))
plt.xlabel("number of checks")
plt.ylabel("verdict 'within' (%)")
plt.title("How often a model exactly at the tolerance passes")
plt.legend()
plt.show()
for k in (1, 5, 20):
    print(f"checks: {k:2d}, {stopped[:, k - 1].mean():.1%} pass, {confirmed[:, k - 1].mean():.1%} confirmed")

# %% [markdown]
# A check during training therefore only *nominates* a model. A nomination is then *confirmed* on outcomes that were
# never used before. If several nominations of a training are confirmed, each gets only a part of the 5 % error, so its
# interval is wider. `gan train --tolerance` and the rest of this notebook follow this rule.

# %%
done = []
for attempt in range(1, 6):
    confidence = gan.tolerance.next_confidence(done)
    low, high = gan.tolerance.wilson_interval(20, 2_000, confidence)
    print(f"confirmation {attempt}: confidence {confidence:.2%}; 20 wrong of 2,000: {low:.2%} to {high:.2%}")
    done.append(
        gan.tolerance.Confirmation(
            attempt=attempt, interval=attempt, wrong=20, num=2_000, confidence=confidence, verdict="undecided"
        )
    )

# %% [markdown]
# ## Stop training when the model is good enough
#
# `ToleranceEarlyStopping` is a Keras callback. A model is nominated when the upper bound of the interval reaches the
# target. Its function `confirm` then measures fresh outcomes. Training stops only if they confirm that the model is
# within the tolerance; otherwise it continues. It also stops when nothing has improved for some intervals (`patience`).
#
# During training, a small classifier (`mnist-probe`) evaluates the samples. Another classifier confirms them. The same
# network should not both select and evaluate.

# %%
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # hides the warning if 5,000 digits replace MNIST
    digits = load_dataset("mnist")
probe, _ = load_classifier("mnist-probe")
model = GAN(build_generator(digits.image_shape, 64, 10), build_discriminator(digits.image_shape, 10), seed=0)
optimizers = [keras.optimizers.Adam(2e-3, beta_1=0.0, beta_2=0.99) for _ in range(2)]
error_rate = metrics.ErrorRate(lambda samples: probe(samples, training=False))
model.compile(*optimizers, metrics=[error_rate], steps_per_execution=10)

# %% [markdown]
# `attempt` is the number of the confirmation, 1, 2, ..., so each one uses a seed of its own. `attempt.num` is the
# number of samples that could decide.


# %%
def confirm(model, attempt):
    """Counts wrong outcomes among samples that were never used before."""
    seed = gan.evaluation.EVALUATION_SEED + attempt
    found = perturbation.generator_error_rate(model.generator_ema, classifier, attempt.num, seed=seed)
    return found.wrong, found.n


early_stopping = gan.callbacks.ToleranceEarlyStopping(
    "val_error_rate_upper", "min", target=0.05, patience=5, confirm=confirm, max_num=NUM
)
history = model.fit(
    digits.train.batches(32, steps=STEPS * EVALUATIONS),
    epochs=EVALUATIONS,
    steps_per_epoch=STEPS,
    validation_data=digits.validation.at_most(1_000).in_order(250),
    callbacks=[early_stopping],
    shuffle=False,
    verbose=0,
).history
print(f"{digits.name}; verdict: {early_stopping.verdict}")

# %%
seen = 32 * STEPS * np.arange(1, len(history["val_error_rate"]) + 1)
plt.figure(figsize=(10, 3.2))
plt.plot(seen, [100 * r for r in history["val_error_rate"]], "o-", label="error rate at each evaluation")
plt.plot(seen, [100 * r for r in history["val_error_rate_upper"]], "--", label="upper bound (monitored)")
plt.axhline(5, color="black", linestyle=":", label="target")
for done in early_stopping.confirmations:
    value, (low, high) = done.rate.value, done.bounds
    errors = 100 * np.array([[value - low], [high - value]])
    style = "gs" if done.verdict == "within" else "rX"
    label = f"confirmation {done.attempt}: {done.verdict}"
    plt.errorbar(seen[done.interval - 1] * 1.02, 100 * value, errors, fmt=style, capsize=4, label=label)
plt.yscale("log")
plt.xlabel("images seen")
plt.ylabel("error rate (%)")
plt.title("Training stops when a nomination is confirmed")
plt.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %% [markdown]
# The two classifiers differ, and a nomination is selected among several measurements. So a confirmation often finds
# more errors. The callback remembers by how much, and waits with the next nomination until the model has improved
# accordingly. `gan train --tolerance` does the same, and also requires that the samples cover the data.

# %% [markdown]
# ## Faults: perturbation curves
#
# A model is often used under other conditions than in training. Its weights may be rounded to save memory, or its
# inputs may be noisy. A perturbation curve shows the error rate against the severity of such a fault.

# %%
FAULTS = {"weight_noise": [0.1, 0.2, 0.3, 0.5], "latent_noise": [0.5, 1, 2], "float16": [1], "int8": [1]}


def show_curve(points, xlabels, figure=(11, 3.2)):
    """Plots one panel per fault: the error rate with its confidence interval, starting without the fault."""
    faults = [fault for fault in dict.fromkeys(p.fault for p in points) if fault in xlabels]
    _, axes = plt.subplots(1, len(faults), figsize=figure, sharey=True)
    for axis, fault in zip(np.atleast_1d(axes), faults):
        curve = [points[0], *(p for p in points if p.fault == fault)]
        value = 100 * np.array([p.rate.value for p in curve])
        low, high = 100 * np.array([p.rate.interval for p in curve]).T
        axis.errorbar([p.severity for p in curve], value, [value - low, high - value], fmt="o-", capsize=4)
        axis.set_title(fault)
        axis.set_xlabel(xlabels[fault])
    np.atleast_1d(axes)[0].set_ylabel("error rate (%)")
    plt.show()


points = perturbation.generator_curve(generator, classifier, CURVE, faults=list(FAULTS), severities=FAULTS)
weight_label = "noise / standard deviation of the weights"
latent_label = "noise / standard deviation of the latents"
show_curve(points, {"weight_noise": weight_label, "latent_noise": latent_label})
for point in points:
    if point.fault in ("none", "float16", "int8"):
        print(f"{point.fault:8s} {point.rate.value:.2%}")

# %% [markdown]
# Rounding the weights to sixteen or eight bits hardly changes the result here. This generator can therefore be
# deployed with small weights within the same tolerance. Noise is harmful: on weights from about half of their own
# standard deviation, and on latents from about their full standard deviation.

# %% [markdown]
# ## Make a release depend on the verdict
#
# The exit status of `gan evaluate --tolerance` is the verdict: 0 within, 3 exceeded, 4 undecided (2 is bad input). A
# release script does not need more:
#
# ```sh
# gan evaluate runs/new --tolerance 0.02 && cp -r runs/new released/     # copied only if the verdict is within
# ```
#
# The next cell runs it on the 5,000 digits that are always available. For a generator, the verdict has one more
# condition: `coverage` must be at least four fifths of the coverage of real images. Ten good digits, repeated
# forever, make no errors, but are not a useful generator.

# %%
import json
import subprocess
import sys

options = ["--dataset", "mnist5k", "--num", str(RELEASE), "--json", "--tolerance"]
for tolerance in GATES:
    command = [sys.executable, "-m", "gan", "evaluate", "mnist", *options, str(tolerance)]
    done = subprocess.run(command, capture_output=True, text=True)
    report = json.loads(done.stdout)
    lower, upper = (report["metrics"][f"error_rate_{end}"]["value"] for end in ("lower", "upper"))
    interval = f"interval {lower:.2%} to {upper:.2%}"
    print(f"tolerance {tolerance:.2%}: {interval}, {report['verdict']}, exit status {done.returncode}")

# %% [markdown]
# In Python, `EXIT_STATUS` is the same table. It works for any model whose errors can be counted.

# %%
print(gan.tolerance.EXIT_STATUS)

# %% [markdown]
# None of this is specific to images. `ToleranceEarlyStopping` and `perturbation` take any Keras model, and notebook 12
# does the same with text: a promise about a recognizer of languages, typos as a fault, and questions that are refused.
#
# ## Summary
#
# * An error rate without a count and a confidence interval is half a number.
# * Choose the tolerance first, from the cost of an error. Leave a margin between what you reach and what you promise.
# * Checks during training nominate a model. The verdict is given once, on new outcomes.
# * A promise names its conditions. A perturbation curve shows where they end.
# * A release can depend on an exit status.
