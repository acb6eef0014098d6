"""Tests datasets larger than memory: bit-identical batches from an unnamed temporary file."""

import subprocess
import sys
import tempfile
import tracemalloc

import numpy as np
import pytest
import tensorflow as tf
from helpers.painting import paint_noise

from gan.data import split, storage
from gan.data.dataset import Dataset
from gan.data.load import load_dataset
from gan.data.sources import image_reader
from gan.data.split import Split
from gan.errors import InputError


def noise(count, shape=(6, 5, 1)):
    return np.random.default_rng(0).integers(0, 256, (count, *shape)).astype(np.uint8)


def store_in_file(images):
    return storage.store(iter([images]), limit=0)


def splits_of(dataset):
    return (dataset.train, dataset.validation, dataset.test)


def arrays_of(batches):
    return [np.asarray(part) for batch in batches for part in (batch if isinstance(batch, tuple) else (batch,))]


@pytest.mark.parametrize("limit", [0, 100, 10**6, None])
@pytest.mark.parametrize("sizes", [[1], [3, 0, 4], [1] * 9])
def test_joins_chunks_in_memory_or_in_a_file(limit, sizes):
    images = noise(sum(sizes))
    stored = storage.store(iter(np.split(images, np.cumsum(sizes)[:-1])), limit)
    np.testing.assert_array_equal(stored, images)
    assert storage.is_streamed(stored) == (limit is not None and images.nbytes > limit)


def test_the_temporary_file_is_unnamed_and_stays_readable(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    images = noise(50)
    part = store_in_file(images)[10:20]
    assert storage.is_streamed(part)
    assert not list(tmp_path.iterdir())
    np.testing.assert_array_equal(part, images[10:20])


def test_reports_a_full_disk(monkeypatch):
    class FullDisk:
        def __getattr__(self, name):
            if name == "close":
                return lambda: None
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", FullDisk)
    with pytest.raises(InputError, match=r"neither in memory nor on the disk.*see TMPDIR.*No space left"):
        store_in_file(noise(4))


@pytest.mark.parametrize("kind", ["folder", "npz", "arrays", "tf", "mnist5k"])
def test_streamed_datasets_are_bit_identical(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(storage, "CHUNK_BYTES", 500)
    if kind == "folder":
        paint_noise(tmp_path / "set/a", 24, size=(96, 64))
        paint_noise(tmp_path / "set/b", 16, size=(96, 64), first=100)
        kind = str(tmp_path / "set")
    elif kind == "npz":
        kind = str(tmp_path / "x.npz")
        np.savez(kind, images=noise(40), labels=np.arange(40) % 3)
    if kind == "arrays":
        in_memory, streamed = (
            Dataset.from_arrays(images, np.arange(40) % 3) for images in (noise(40), store_in_file(noise(40)))
        )
    elif kind == "tf":
        data = tf.data.Dataset.from_tensor_slices(noise(40))
        in_memory, streamed = (Dataset.from_tf(data, memory_limit=limit) for limit in (None, 0))
    else:
        in_memory, streamed = (load_dataset(kind, memory_limit=limit) for limit in (None, 100))
    for one, other in zip(splits_of(in_memory), splits_of(streamed)):
        assert (storage.is_streamed(one.images), storage.is_streamed(other.images)) == (False, True)
        np.testing.assert_array_equal(one.images, other.images)
        size = min(4, len(one))
        for batches in (
            lambda part, size=size: part.batches(size, steps=9, seed=3, first_step=8),
            lambda part: part.in_order(300),
        ):
            assert batches(one).element_spec == batches(other).element_spec
            left, right = arrays_of(batches(one)), arrays_of(batches(other))
            assert [array.tobytes() for array in left] == [array.tobytes() for array in right]
    assert in_memory.fingerprint == streamed.fingerprint


@pytest.mark.parametrize("kind", ["tf", "tf of unknown size", "folder", "npz", "npz enlarged"])
def test_chunk_size_is_bounded_for_any_image_size(tmp_path, monkeypatch, chunks, kind):
    monkeypatch.setattr(storage, "CHUNK_BYTES", 2 * 96 * 64 * 3)
    monkeypatch.setattr(image_reader.os, "cpu_count", lambda: 2)
    images = noise(24, (96, 64, 3))
    if kind == "folder":
        dataset = load_dataset(str(paint_noise(tmp_path / "set", 24, size=(96, 64))))
    elif kind == "npz":
        np.savez(tmp_path / "x.npz", images=images)
        dataset = load_dataset(str(tmp_path / "x.npz"))
    elif kind == "npz enlarged":
        np.savez(tmp_path / "x.npz", images=noise(24, (6, 4, 3)))
        dataset = load_dataset(str(tmp_path / "x.npz"), image_size=(96, 64))
    else:
        shape = (96, 64, 3) if kind == "tf" else (None, None, 3)
        source = tf.data.Dataset.from_generator(lambda: iter(images), output_signature=tf.TensorSpec(shape, tf.uint8))
        dataset = Dataset.from_tf(source)
    assert sum(map(len, splits_of(dataset))) == 24
    assert max(chunks) <= storage.CHUNK_BYTES
    assert sum(chunks) == images.nbytes


def test_prefetched_batches_are_bounded_in_bytes():
    def prefetched(side, batch_size):
        return Split(np.broadcast_to(np.uint8(0), (2_048, side, side, 3)), None)._batches_ahead(batch_size)

    assert [prefetched(28, 64), prefetched(256, 64), prefetched(1_024, 64), prefetched(256, 1_024)] == [8, 5, 1, 1]


def test_large_arrays_give_the_same_batches_without_a_copy(monkeypatch):
    images = noise(40)
    copied = arrays_of(Split(images, None).batches(8, steps=9))
    monkeypatch.setattr(split, "_COPIED_BYTES", images.nbytes - 1)
    for array, other in zip(arrays_of(Split(images, None).batches(8, steps=9)), copied, strict=True):
        assert array.tobytes() == other.tobytes()


def test_a_subset_of_a_file_is_held_in_memory_if_it_fits(monkeypatch):
    images = noise(40)
    whole = Split(store_in_file(images), np.arange(40, dtype=np.int32))
    order = np.random.default_rng(1).permutation(40)[:20]
    for limit, streamed in ((20 * 30, False), (20 * 30 - 1, True)):
        monkeypatch.setattr(storage, "memory_limit", lambda limit=limit: limit)
        part = whole.take(order)
        assert storage.is_streamed(part.images) == streamed
        np.testing.assert_array_equal(part.images, images[order])
        np.testing.assert_array_equal(part.labels, order)


def test_hold_out_copies_a_file_once(monkeypatch):
    rows, stored, whole = [], storage.store, Split(store_in_file(noise(60)), None)
    monkeypatch.setattr(
        storage, "store", lambda chunks, limit: stored((rows.append(len(c)) or c for c in chunks), limit)
    )
    train, validation, test = split.three_ways({"train": whole})
    assert [len(train), len(validation), len(test)] == [42, 8, 10]
    assert sum(rows) == 60


def test_loading_needs_memory_for_a_few_chunks_only(tmp_path):
    images = noise(3_000, (64, 64, 3))  # 37 MB
    np.savez(tmp_path / "x.npz", images=images)
    del images
    peaks = []
    for limit in (None, 2**22):
        tracemalloc.start()
        dataset = load_dataset(str(tmp_path / "x.npz"), memory_limit=limit)
        assert len(dataset.fingerprint) == 64
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[0] > 36e6  # tracemalloc counts NumPy arrays
    assert peaks[1] < 3.5 * storage.CHUNK_BYTES  # a chunk, its bytes, and a rearranged chunk


def test_memory_limit_is_a_quarter_of_machine_or_container_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "_CGROUP", tmp_path / "memory.max")
    machine = storage.memory_limit()
    for content, expected in (("max\n", machine), (f"{2**20}\n", 2**18)):
        (tmp_path / "memory.max").write_text(content)
        assert storage.memory_limit() == expected
    monkeypatch.setattr(storage.os, "sysconf", lambda name: 1_000)
    (tmp_path / "memory.max").unlink()
    assert storage.memory_limit() == 250_000


MEASURE_RESIDENT_MEMORY = """
import sys
from pathlib import Path
import numpy as np
import tensorflow as tf
from gan import Dataset

def anonymous_mb():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("RssAnon")) / 1024

images = tf.data.Dataset.range(16).map(
    lambda seed: tf.cast(tf.random.stateless_uniform([500, 128, 128, 3], [seed, 0], 0, 256, tf.int32), tf.uint8)
)  # 375 MB, generated 23 MB at a time
for _ in images.take(2):
    pass
before = anonymous_mb()
dataset = Dataset.from_tf(images, memory_limit=int(sys.argv[1]))
assert len(dataset.fingerprint) == 64
for batch in dataset.train.batches(64, steps=200):
    pass
print(anonymous_mb() - before)
"""


@pytest.mark.slow
def test_resident_memory_stays_bounded():
    growth = []  # MB
    for limit in (2**40, 2**24):
        command = [sys.executable, "-c", MEASURE_RESIDENT_MEMORY, str(limit)]
        growth.append(float(subprocess.run(command, capture_output=True, check=True).stdout))
    assert growth[0] > 300  # all 375 MB are held in memory
    assert growth[1] < 200  # only chunks and prefetched batches are held
