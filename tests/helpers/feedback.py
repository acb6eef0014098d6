"""A tiny generator and real images to judge, and a server of judges in a process of its own."""

import json
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from gan.deployment.feedback.app import LIMITS, create_app
from gan.deployment.feedback.pictures import AuditPlan, GoldPlan, StratifiedPlan
from gan.deployment.feedback.server import run_feedback
from gan.deployment.feedback.session import FeedbackSession, GoldImages
from gan.deployment.feedback.store import FeedbackStore
from gan.deployment.serve.address import open_socket
from gan.deployment.serve.metrics import Metrics
from gan.saving.engines.engine import Engine
from helpers.serving import running

SHA256 = "ab" * 32
SEED = 7
CLASSES = 3


class BlobEngine(Engine):
    """Draws a blob whose place is that of the class, on a noise of the latents. It records the sizes of its batches."""

    latent_dim = 2

    def __init__(self, shape=(12, 10, 1), num_classes=CLASSES, before=lambda: None):
        self.image_shape, self.num_classes, self.sizes, self._before = shape, num_classes, [], before

    def __call__(self, latents, labels=None):
        self._before()
        self.sizes.append(len(latents))
        assert (labels is None) == (self.num_classes == 0)
        centers = np.zeros(len(latents), int) if labels is None else labels
        return blobs(latents, centers, self.image_shape)


def blobs(offsets, classes, shape):
    """Images float32 [B, H, W, C]: a blob at the place of each class, moved by an offset [B, 2]."""
    height, width, channels = shape
    y, x = np.mgrid[:height, :width]
    angle = 2 * np.pi * np.asarray(classes, float) / CLASSES
    center_y = height * (0.5 + 0.25 * np.sin(angle) + 0.03 * offsets[:, 0])
    center_x = width * (0.5 + 0.25 * np.cos(angle) + 0.03 * offsets[:, 1])
    away = ((y - center_y[:, None, None]) / height) ** 2 + ((x - center_x[:, None, None]) / width) ** 2
    gray = 2 * np.exp(-away / 0.02) - 1
    tints = np.array([1.0, 0.8, 0.4])[:channels] if channels == 3 else np.ones(1)
    return ((gray[..., None] + 1) * tints - 1).astype(np.float32)


def gold_images(share, shape=(12, 10, 1), num=50):
    """Real images between the samples, black with one gray pixel each, unlike any sample."""
    labels = np.arange(num) % CLASSES
    images = np.zeros((num, *shape), np.uint8)
    images[np.arange(num), np.arange(num) % shape[0], labels] = 128
    return GoldImages(GoldPlan(SEED, share, labels, CLASSES), images)


def make_session(store, engine=None, *, mode="audit", share=0.0, flagged=(), num_unflagged=20, **options):
    """Returns the session of a store: gold is a share of the pictures."""
    engine = engine or BlobEngine()
    plan = AuditPlan(store.seed_of(mode), engine.num_classes)
    if mode == "stratified":
        plan = StratifiedPlan(store.seed_of(mode), engine.num_classes, 1_000, flagged, num_unflagged)
    gold = gold_images(share, engine.image_shape) if share else None
    options = {"tolerance": 0.02, "class_names": ("north", "south", "west")[: engine.num_classes], **options}
    return FeedbackSession(store, engine, mode=mode, plan=plan, gold=gold, name="blobs", **options)


@contextmanager
def judged(path: Path, engine=None, *, token=None, **options):
    """Runs a server of judges in a thread inside, and yields its store and a client that is a judge of it."""
    with FeedbackStore(path, SHA256, seed=SEED, overlap=options.pop("overlap", 0.1)) as store:
        session, metrics = make_session(store, engine, **options), Metrics()
        app = create_app(session, metrics=metrics, token=token)
        with running(app, LIMITS, metrics) as client:
            if token:
                client.headers["Authorization"] = f"Bearer {token}"
            client.get("/")
            yield store, client


def main(path: str, port: str) -> None:
    """Serves a file of judgements, with gold, until a signal; prints the address as JSON."""
    with (
        FeedbackStore(path, SHA256, seed=SEED) as store,
        open_socket("127.0.0.1", int(port), has_token=False) as opened,
    ):
        session = make_session(store, share=0.2)
        run_feedback(session, opened, ready=lambda address: print(json.dumps({"address": address}), flush=True))


if __name__ == "__main__":
    main(*sys.argv[1:])
