# %% [markdown]
# # Feedback and deployment: people judge, the server watches, a table decides
#
# A classifier has measured the error rate of a generator. Is that enough to deploy it? People see faults that a
# classifier does not know, and a generator that was good yesterday may be served damaged today. This notebook follows
# a generator from the judgements of people over the audit of what is served to a decision: how may it be deployed?
#
# **Needs:** a laptop; no GPU, no network. The last part exports files, for which it needs the packages that
# `gan-reference[export]` installs, and 3 GB of free memory.
#
# **Takes:** about 3 minutes on two cores.
#
# **Afterwards you will know** how to judge samples so that the result is an estimate. You will know which interval you
# may look at after every judgement, and why the usual one is not it. You will know how hidden real digits measure the
# judge, how a damaged generator is noticed while it is served, and how a tolerance becomes a tier of deployment.

# %%
from importlib.util import find_spec

from IPython import get_ipython

if find_spec("gan") is None:  # for example in Colab
    get_ipython().run_line_magic("pip", 'install --quiet "gan-reference[export]"')

# %% tags=["parameters"] quick={"RUNS": 100, "LOOKS": 30, "HEALTHY": 4_000, "DAMAGED": 2_000, "NUM": 60}
TOLERANCE = 0.02  # accepted error rate
RUNS = 3_000  # simulated judges
LOOKS = 300  # looks of each, one after every tenth judgement
HEALTHY = 40_000  # samples that are served before the damage
DAMAGED = 30_000  # samples that are served after it
NUM = 500  # samples of each exported file that are measured
ROUNDS = 1  # rounds in which the times of the files are measured

# %%
from gan import start_tensorflow

print(start_tensorflow(seed=0))

# %%
import functools
import warnings

import matplotlib.pyplot as plt
import numpy as np

import gan
from gan import deployment, generate, load_classifier, load_dataset, load_generator, metrics, tolerance

plt.rcParams.update(gan.evaluation.STYLE)
generator = load_generator("mnist")

# %% [markdown]
# ## Judge samples
#
# The command
#
# ```sh
# gan feedback mnist --store mnist.sqlite --gold 0.2
# ```
#
# starts a page in the browser. It shows one picture at a time and asks whether it is the digit that was requested. One
# key answers: right, wrong, or unsure. Each answer is in the file `mnist.sqlite` before the next picture appears.
#
# Three rules make an estimate of the answers. The pictures are **drawn at random**: a person who browses and flags what
# looks odd finds faults, but no rate. **Every** picture that is shown counts, also one that nobody could judge. And
# with `--gold 0.2`, a fifth of the pictures are **real digits**, of which half are asked with a wrong class. The judge
# cannot tell them apart, so they measure the judge.
#
# A notebook cannot wait for you, so it replays a **recorded session**: 150 pictures that were judged without knowing
# which were real. (The judge of this recording was a vision model that looked at the pictures, not a person.) The
# store, here the file `recorded.sqlite`, draws the same pictures again, since they depend on its seed alone. The
# letters below are the recorded answers: `r` for right, `w` for wrong, `u` for unsure.

# %%
RECORDED = (
    "rrrrrrrrrrwrrrrrrrrrwrrrrrrrrrrrrwrwrrrrrrwrrrrrrrrrrrrrurrrrrrrrwrrwrwrrrrwrw"
    "rrrrrrrrrrrrrrrrwrrrrwrrrrrrrwrrrrwrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrwrrrr"
)
ANSWERS = {"r": "right", "w": "wrong", "u": "unsure"}
digits = load_dataset("mnist5k")  # for the real digits
sha256 = deployment.choose_tier("mnist", TOLERANCE).generator_sha256
assert sha256.startswith("08c8af9e"), "the session was recorded with another generator"
store = deployment.FeedbackStore("recorded.sqlite", sha256, seed=9)
plan = deployment.AuditPlan(store.seed_of("audit"), num_classes=10)
gold = deployment.GoldPlan(store.seed_of("gold"), 0.2, digits.test.labels, num_classes=10)
shown = []
for answer in RECORDED:
    question = store.next_picture("recorded", "audit", plan, gold)
    store.judge(question.token, "recorded", ANSWERS[answer], milliseconds=0, mode="audit")
    shown.append(question.picture)
print(f"{len(shown)} pictures, {sum(picture.kind == 'gold' for picture in shown)} of them are real digits")

# %% [markdown]
# These are the first twenty pictures, as the judge saw them: the requested class is above each, and the answer below.
# Would you have answered the same?

# %%
asked = [picture for picture in shown if picture.kind == "sample"]
samples = iter(generate(generator, len(asked), seed=plan.seed, labels=np.array([one.label for one in asked])))
real = gan.images.from_uint8(digits.test.images)
pixels = [next(samples) if picture.kind == "sample" else real[picture.index] for picture in shown]


def show(places, answers=True, figure=(11, 3.2)):
    """Shows pictures of the session, with what was asked and what was answered."""
    _, axes = plt.subplots(-(-len(places) // 10), 10, figsize=figure, squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for place, axis in zip(places, axes.flat):
        axis.imshow(pixels[place], cmap="gray", vmin=-1, vmax=1)
        axis.set_title(f"{shown[place].label}?", fontsize=10)
        below = ANSWERS[RECORDED[place]] if answers else ""
        axis.text(0.5, -0.16, below, ha="center", transform=axis.transAxes, fontsize=9)
    plt.show()


show(range(20))

# %% [markdown]
# Several of these answers are about real digits. The store knows them, and keeps them apart from the samples:

# %%
summary = deployment.summarize(store, "audit", TOLERANCE)
print("samples:", summary.counts)
print(f"error rate if the judge makes no mistakes: {summary.lower:.2%} to {summary.upper:.2%}")

# %% [markdown]
# ## An interval for every look
#
# Nobody plans how many pictures to judge. People look at the result, and go on or stop. The usual 95 % interval, as
# Wilson's, is valid for *one* look at a number that was planned. Whoever looks after each judgement, and stops when the
# interval is where it should be, gets more than 5 % wrong answers. The bounds of a **confidence sequence** hold at all
# looks together. The price is a wider interval.
#
# Both narrow with the judgements of the session. The jump is an unsure answer, which counts as wrong for the upper
# bound.

# %%
may_be_wrong = np.cumsum([RECORDED[i] != "r" for i, picture in enumerate(shown) if picture.kind == "sample"])
n = np.arange(1, len(may_be_wrong) + 1)
always = [tolerance.confidence_sequence(int(k), int(m))[1] for k, m in zip(may_be_wrong, n)]
once = [tolerance.wilson_interval(int(k), int(m))[1] for k, m in zip(may_be_wrong, n)]
plt.figure(figsize=(8, 3.2))
plt.plot(n, 100 * np.array(always), label="confidence sequence: valid at every look")
plt.plot(n, 100 * np.array(once), "--", label="Wilson: valid at one planned look")
plt.axhline(100 * TOLERANCE, color="black", linestyle=":", label="tolerance")
plt.ylim(0, 40)
plt.xlabel("samples judged")
plt.ylabel("upper bound (%)")
plt.title("The recorded session: the upper bound shrinks")
plt.legend()
plt.show()
more = tolerance.outcomes_needed(int(may_be_wrong[-1]), len(n), TOLERANCE)
print(f"after {len(n)} samples: at most {always[-1]:.2%} or {once[-1]:.2%}; {more:,} more would decide")

# %% [markdown]
# What does looking again and again cost? The simulation knows the true rate: exactly the tolerance. Each simulated
# judge looks after every tenth picture. The plot counts the judges who have ever seen an interval *without* the true
# rate. That may happen to 5 % of them.


# %%
@functools.cache
def excludes(wrong, judged):
    """Returns whether each interval leaves out the true rate: the sequence, and Wilson's."""
    bounds = tolerance.confidence_sequence(wrong, judged), tolerance.wilson_interval(wrong, judged)
    return [not lower <= TOLERANCE <= upper for lower, upper in bounds]


looks = 10 * np.arange(1, LOOKS + 1)
wrong = np.random.default_rng(0).binomial(10, TOLERANCE, size=(RUNS, LOOKS)).cumsum(axis=1)
missed = np.array([[excludes(int(k), int(m)) for k, m in zip(run, looks)] for run in wrong])
ever = np.logical_or.accumulate(missed, axis=1).mean(axis=0)
plt.figure(figsize=(8, 3.2))
plt.plot(looks, 100 * ever[:, 1], "--", color="C1", label="Wilson, a look after every tenth judgement")
plt.plot(looks, 100 * ever[:, 0], color="C0", label="confidence sequence, the same looks")
plt.axhline(5, color="black", linestyle=":", label="5 %")
plt.xlabel("samples judged")
plt.ylabel("judges misled so far (%)")
plt.gca().xaxis.set_major_formatter("{x:,.0f}")
plt.title("How often an interval ever leaves out the true rate")
plt.legend()
plt.show()
print(f"misled at least once: {ever[-1, 1]:.1%} with Wilson, {ever[-1, 0]:.1%} with the confidence sequence")

# %% [markdown]
# A confidence sequence assumes *one* error rate. So the judgements belong to one generator, by the SHA-256 of its file,
# and start again when it changes.
#
# ## How good is the judge?
#
# Nobody is always right. The real digits show how often: the *sensitivity* is the share of those with a wrong class
# that were called wrong, the *specificity* the share of the others that were called right. Here are ten of them; the
# judge did not know that they were real.

# %%
golden = [place for place, picture in enumerate(shown) if picture.kind == "gold"]
show(golden[:10], figure=(11, 1.8))
found = summary.corrected
print(f"sensitivity {found.sensitivity:.0%}, of {found.gold.wrong} real digits with a wrong class")
print(f"specificity {found.specificity:.0%}, of {found.gold.right} with their own")
print(f"corrected error rate: {found.rate:.1%}, between {found.lower:.1%} and {found.upper:.1%}")
print(f"verdict: {summary.verdict}")

# %% [markdown]
# The corrected rate of Rogan and Gladen takes the mistakes of the judge into account, and its interval carries the
# uncertainty of all three shares. So it is wider. A judge without a mistake on a few real digits may still be one who
# misses every tenth fault. If the interval is wider than the tolerance, more pictures are needed, not another formula.
# The next cell shows how wide it would be after longer sessions in which every answer is right and none is unsure.

# %%
print("samples  real digits  corrected interval")
for factor in (1, 3, 10, 30):
    called = tolerance.WrongRange.known(0, factor * len(n))
    fooled, fair = factor * found.gold.wrong, factor * found.gold.right
    low, high = tolerance.corrected_bounds(called, tolerance.GoldCounts(fooled, fooled, fair, fair))
    print(f"{called.n:7,}  {fooled + fair:11,}  {low:.2%} to {high:.2%}")

# %% [markdown]
# ## Watch what is served
#
# A report is about the past. `gan serve mnist --audit 0.05` reads a twentieth of what it serves with a small
# classifier, in the background. Which samples are read depends on a seed and the number of the request, never on what
# they show. `/status` and `/metrics` show the error rate with a confidence sequence, and an alarm can stop the model:
#
# ```sh
# gan serve mnist --audit 0.05 --tolerance 0.02 --on-exceeded stop
# ```
#
# We simulate its traffic, with requests of 64 samples. At some moment the weights are damaged, as by a faulty memory or
# a wrong file: noise with three tenths of their standard deviation. The generator still draws digits, as the second row
# shows.

# %%
damaged, rng = load_generator("mnist"), np.random.default_rng(0)
for weight in damaged.trainable_weights:
    values = weight.numpy()
    weight.assign(values + 0.3 * values.std() * rng.standard_normal(values.shape))
rows = [generate(network, 20, seed=5) for network in (generator, damaged)]
_, axis = plt.subplots(figsize=(11, 1.6))
axis.imshow(gan.images.grid(gan.images.to_uint8(np.concatenate(rows)), columns=20)[..., 0], cmap="gray")
axis.set_yticks([15, 45], ["healthy", "damaged"])
axis.set(title="Samples for the digits 0 to 9, twice", xticks=[])
axis.grid(False)
plt.show()

# %% [markdown]
# Only the samples that the audit chooses are computed.

# %%
probe, _ = load_classifier("mnist-probe")
read = gan.classifier.Extractor(probe)
choice = deployment.AuditChoice(0.05, seed=0, model="mnist")
places = [64 * request + choice.rows(request, 64) for request in range((HEALTHY + DAMAGED) // 64)]
places = np.concatenate(places)  # numbers of the served samples that are read
labels = np.random.default_rng(1).integers(0, 10, len(places))
before = int(np.sum(places < HEALTHY))
logits = []
for network, part in ((generator, slice(0, before)), (damaged, slice(before, None))):
    images = generate(network, len(labels[part]), seed=7, start=part.start, labels=labels[part])
    logits.append(read.arrays(images)["logits"])
logits = np.concatenate(logits)
bad = np.asarray(metrics.wrong_outcomes(logits, labels))
print(f"{len(places):,} of {HEALTHY + DAMAGED:,} samples are read")
print(f"wrong: {bad[:before].mean():.2%} before the damage, {bad[before:].mean():.2%} after it")

# %% [markdown]
# The audit gets these outcomes in the order of time. Two of its tests matter here. *Exceeded* compares the lower bound
# of the error rate since the start with the tolerance. A long good past makes it slow. *Changed* is a detector that
# bets on a rise at an unknown moment. Its good past does not count, and the mean time between its false alarms is at
# least a billion samples that are read. After an alarm it starts again.

# %%
rate = deployment.AuditedRate(TOLERANCE, confidence=0.975)  # the rest of the 5 % is for later versions
rise = deployment.RateDetector(TOLERANCE, mean_samples=1e9)
bounds, evidence = [], []
for place, outcome in zip(places, bad):
    for kind, test in (("exceeded", rate), ("changed", rise)):
        if test.add(np.array([outcome])):
            print(f"alarm {place - HEALTHY:,} samples after the damage: {kind}")
    bounds.append(rate.bounds)
    evidence.append(rise.evidence)

# %%
_, (top, below) = plt.subplots(2, 1, figsize=(9, 5), sharex=True)
low, high = 100 * np.array(bounds).T
top.fill_between(places, low, high, alpha=0.3, label="confidence sequence")
top.axhline(100 * TOLERANCE, color="black", linestyle=":", label="tolerance")
top.set(ylim=(0, 5), ylabel="error rate (%)", title="A generator that is damaged while it is served")
below.semilogy(places, np.maximum(evidence, 1), color="C2", label="evidence of a rise")
below.axhline(rise.mean_samples, color="black", linestyle=":", label="alarm")
below.set(xlabel="samples served", ylabel="evidence")
below.xaxis.set_major_formatter("{x:,.0f}")
for axis, left in ((top, 0.2), (below, 0.02)):
    axis.axvline(HEALTHY, color="C3", label="damage")
    axis.legend(loc=(left, 0.5))
plt.show()

# %% [markdown]
# ## Which file, and in which tier?
#
# `gan export mnist --table` exports all formats and weight widths, and measures quality, size, time and memory of each.
# With few samples, it takes a minute. Times mean little on a machine that does other things too, so the next cell shows
# the sizes.

# %%
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    table = deployment.measure_artifacts(
        "mnist", digits, *load_classifier("mnist-classifier"), num=NUM, rounds=ROUNDS, tolerance=TOLERANCE
    )
print(f"{'file':20s} {'wrong':>6s} {'at most':>8s} {'KB':>6s}  verdict")
for one in table.artifacts:
    if one.quality is None:
        print(f"{one.format} {one.weights}: {one.failure}")
        continue
    q, kilobytes = one.quality, one.file.bytes / 1e3
    numbers = f"{q.wrong:6d} {q.error_rate_upper:8.2%} {kilobytes:6,.0f}"
    print(f"{one.format + ' ' + one.weights:20s} {numbers}  {q.verdict}")

# %% [markdown]
# `gan tiers mnist --tolerance 0.02` takes the decision. The upper bound U of the error rate is compared with the
# tolerance T, and gives one of four tiers. Each says what is allowed, how errors are noticed, and who is needed.

# %%
for tier in deployment.load_tiers().tier:
    limit = "more" if tier.up_to is None else f"U <= {tier.up_to:g} T"
    print(f"{tier.name:10s} {limit:10s}  {tier.allowed}\n{'':21s}  {tier.who}")

# %% [markdown]
# Two bounds are known: that of the report, by a classifier with 10,000 samples, and that of the recorded session with
# 116, corrected for mistakes. The tier promises both, so **the larger one decides**. (`gan tiers mnist` finds the file
# `mnist.sqlite` by itself; a file of another name has to be given.)

# %%
reported = deployment.choose_tier("mnist", TOLERANCE, cost="bytes")
judged = deployment.choose_tier("mnist", TOLERANCE, store="recorded.sqlite", cost="bytes")
_, axis = plt.subplots(figsize=(9, 2.6))
for number, tier in enumerate(deployment.load_tiers().tier):
    left, right = max(TOLERANCE * tier.above, 4e-4), tier.limit(TOLERANCE) or 1
    axis.axvspan(left, right, color="C2", alpha=0.5 - 0.14 * number, linewidth=0)
    axis.text((left * right) ** 0.5, 1.6, tier.name, ha="center")
for row, bound in enumerate(judged.bounds):
    axis.plot([max(bound.lower, 4e-4), bound.upper], [row, row], linewidth=5, solid_capstyle="butt")
axis.set(xscale="log", xlim=(4e-4, 1), ylim=(-0.6, 2), xlabel=f"error rate; the tolerance is {TOLERANCE:.0%}")
axis.xaxis.set_major_formatter("{x:.1%}")
axis.set_yticks([0, 1], [f"{bound.source}\n{bound.num:,} samples" for bound in judged.bounds])
axis.set_title("What is known of the error rate, and the tiers")
axis.grid(False)
plt.show()

# %%
for name, decision in (("report alone", reported), ("report and people", judged)):
    bound = f"error rate at most {decision.decided_by.upper:.2%}"
    print(f"{name}: {decision.tier.name}, {bound}, {decision.verdict}")
    for note in decision.notes:
        print(f"    {note}")
print()
print(f"file: {reported.artifact.path}" if reported.artifact else "no file is within the tier")
for command in (*filter(None, [reported.artifact and reported.artifact.confirm]), *reported.commands):
    print(f"    {command}")

# %% [markdown]
# The report alone allows to serve the generator while the audit runs. Together with a short session, the answer is more
# careful: few judgements cannot rule out that people see faults which the classifier does not know. That is no
# contradiction, but a task. The note says how many judgements would settle it, with the real digits as they are.
#
# ## Summary
#
# * Random pictures, every one counted, give a rate. Browsing gives faults.
# * Look whenever you like, but at a confidence sequence.
# * Real digits between the samples measure the judge. A short session cannot show a low rate.
# * The audit reads a seeded share of what is served, and notices a damage that no report knows.
# * The larger of two bounds and the tolerance give the tier: what is allowed, what is watched, and who is needed.
