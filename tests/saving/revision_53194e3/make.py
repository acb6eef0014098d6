"""Makes the files of this folder with the code of revision 53194e3: see README.md. Later code need not run this."""

import hashlib
import json
import os
import shutil
import signal
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from gan.optimizers import Adam
from machine import machine

from gan import GAN, augment, build_discriminator, build_generator, load_dataset, penalties, runtime, train
from gan.cli.main import parse
from gan.metrics import ClassifierErrorRate

SMALL = [
    "--dataset", "mnist5k", "--latent-dim", "8", "--g-width", "4", "--d-width", "4", "--precision", "float32",
    "--deterministic", "--seed", "7",
]  # fmt: skip
RUNS = {
    # Intervals of 8,000 images, since the collapse monitor judges from 16,000 images on. An improvement by 99 never
    # comes: the learning rates are halved at the ends of intervals 3 and 5, on any machine.
    "reduced": (
        4,
        [
            "train", "mnist", *SMALL, "--image-size", "12", "--steps", "22", "--batch-size", "2000",
            "--eval-every", "8000", "--probe", "none", "--monitor", "g_loss", "--monitor-mode", "max",
            "--min-delta", "99", "--patience", "2", "--when-stale", "reduce", "--on-collapse", "restore",
        ],
    ),
    "tolerant": (
        2,
        [
            "train", "mnist", *SMALL, "--steps", "14", "--batch-size", "16", "--eval-every", "192",
            "--tolerance", "0.001", "--eval-num", "200", "--critic-steps", "2", "--simultaneous",
            "--d-norm", "spectral", "--augment", "translation", "cutout", "--loss", "hinge",
        ],
    ),
}  # fmt: skip
"""Name -> the interval (from 1) at whose end the run is interrupted, and the command."""
PARTS = ("generator", "discriminator", "generator_ema", "g_optimizer", "d_optimizer")


class Interrupt(keras.callbacks.Callback):
    """Sends SIGTERM to this process at the end of an interval, counted from 1."""

    def __init__(self, interval: int) -> None:
        super().__init__()
        self.interval = interval

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        if epoch + 1 == self.interval:
            os.kill(os.getpid(), signal.SIGTERM)


def digest(arrays: list[np.ndarray]) -> str:
    """SHA-256 of type, shape and bytes of arrays, in their order."""
    found = hashlib.sha256()
    for array in map(np.asarray, arrays):
        found.update(f"{array.dtype.str}{array.shape}".encode())
        found.update(array.tobytes())
    return found.hexdigest()


def newest_arrays(run: Path) -> dict[str, np.ndarray]:
    with np.load(max((run / "state").glob("*.npz"))) as archive:
        return dict(archive)


def weights_of(run: Path) -> dict[str, str]:
    """Part -> digest of its variables in the newest state."""
    arrays = newest_arrays(run)
    return {part: digest([arrays[n] for n in sorted(arrays) if n.startswith(f"{part}/")]) for part in PARTS}


def make_run(out: Path, name: str) -> None:
    """The run folder, interrupted, and what the same run in one go came to."""
    interval, command = RUNS[name]
    config = parse(command).config
    whole = out.parent / f"{name}-whole"
    train(config, output=whole, name="mnist-mnist5k")
    run = out / name
    train(config, output=run, name="mnist-mnist5k", listeners=[Interrupt(interval)])
    shutil.rmtree(run / "samples")
    (run / "state" / "lock").unlink()
    for older in sorted((run / "state").glob("*.npz"))[:-1]:
        older.unlink()
        older.with_suffix(".json").unlink()
    log = (whole / "log.csv").read_text().splitlines()
    expected = {
        "command": ["gan", *command],
        "interrupted_after_interval": interval,
        "sha256_at_the_end": weights_of(whole),
        "log": [dict(zip(log[0].split(","), map(float, row.split(",")))) for row in log[1:]],
    }
    (run / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


def make_models(out: Path) -> None:
    """A compiled GAN after six steps, a spectral discriminator, and what they give."""
    digits = load_dataset("mnist5k")
    keras.utils.set_random_seed(7)
    layers = [augment.Brightness(0.3), augment.Contrast(0.4), augment.Translation(0.1), augment.Cutout(0.2)]
    gan = GAN(
        build_generator((28, 28, 1), 8, 10, width=4),
        build_discriminator((28, 28, 1), 10, width=4),
        augment=augment.Chain(layers),
        ema_half_life=100.0,
        seed=7,
    )
    rate = keras.optimizers.schedules.CosineDecay(2e-3, 50, alpha=0.1)
    gan.compile(
        Adam(rate, beta_1=0.0, beta_2=0.99),
        Adam(1e-3, beta_1=0.5, beta_2=0.99),
        loss="relativistic",
        penalties=[penalties.R1(0.5, every=2), penalties.R2(0.25, every=3)],
        wrong_labels=0.125,
        metrics=[keras.metrics.MeanSquaredError(), ClassifierErrorRate()],
    )
    gan.fit(digits.train.batches(16, steps=6, seed=7), verbose=0, shuffle=False)
    gan.save(out / "gan.keras")
    keras.utils.set_random_seed(8)
    spectral = build_discriminator((28, 28, 1), 10, width=4, norm="spectral")
    images, labels = digits.test.images[::31][:16], digits.test.labels[::31][:16]
    batch = tf.constant(images.astype(np.float32) / 127.5 - 1.0), tf.constant(labels)
    for _ in range(3):
        spectral(batch, training=True)  # moves the singular vectors
    spectral.save(out / "spectral.keras")
    latents = tf.constant(np.random.default_rng(7).standard_normal((16, 8)).astype(np.float32))
    wanted = {
        "generator": gan.generator([latents, batch[1]], training=False),
        "generator_ema": gan.generator_ema([latents, batch[1]], training=False),
        "discriminator": gan.discriminator(batch, training=False),
        "spectral": spectral(batch, training=False),
    }
    weights = {name: digest(getattr(gan, name).variables) for name in PARTS}
    weights["spectral"] = digest(spectral.variables)
    logs = {name: float(np.asarray(value)) for name, value in gan.train_step(batch).items()}
    np.savez_compressed(
        out / "expected.npz",
        images=images,
        labels=labels,
        latents=np.asarray(latents),
        **{f"{name}_gives": np.asarray(value) for name, value in wanted.items()},
    )
    names = sorted(name for name in keras.saving.get_custom_objects() if name.startswith("gan>"))
    expected = {"sha256": weights, "logs_of_the_next_step": logs, "registered_names": names}
    (out / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    out, what = Path(sys.argv[1]), sys.argv[2]
    runtime.load_tensorflow()
    (out / "machine.json").write_text(json.dumps(machine(), indent=1) + "\n")
    if what == "models":
        make_models(out)
    else:
        make_run(out, what)
