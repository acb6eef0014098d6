"""Images that do not fit in memory: the same bits, from a file that nobody has to remove."""

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
from gan.data.sources import folder
from gan.data.split import Split
from gan.errors import InputError


def noise(count, shape=(6, 5, 1)):
    return np.random.default_rng(0).integers(0, 256, (count, *shape)).astype(np.uint8)


def in_file(images):
    return storage.store(iter([images]), limit=0)


def parts_of(dataset):
    return (dataset.train, dataset.validation, dataset.test)


def arrays_of(batches):
    return [np.asarray(part) for batch in batches for part in (batch if isinstance(batch, tuple) else (batch,))]


@pytest.mark.parametrize("limit", [0, 100, 10**6, None])
@pytest.mark.parametrize("sizes", [[1], [3, 0, 4], [1] * 9])
def test_chunks_are_joined_in_memory_or_in_a_file(limit, sizes):
    images = noise(sum(sizes))
    stored = storage.store(iter(np.split(images, np.cumsum(sizes)[:-1])), limit)
    np.testing.assert_array_equal(stored, images)
    assert storage.is_streamed(stored) == (limit is not None and images.nbytes > limit)


def test_the_file_has_no_name_and_stays_as_long_as_it_is_needed(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    images = noise(50)
    part = in_file(images)[10:20]
    assert storage.is_streamed(part)
    assert not list(tmp_path.iterdir())
    np.testing.assert_array_equal(part, images[10:20])


def test_a_full_disk_is_said(monkeypatch):
    class Full:
        def __getattr__(self, name):
            if name == "close":
                return lambda: None
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", Full)
    with pytest.raises(InputError, match=r"neither in memory nor on the disk.*see TMPDIR.*No space left"):
        in_file(noise(4))


@pytest.mark.parametrize("kind", ["folder", "npz", "arrays", "tf", "mnist5k"])
def test_streamed_data_sets_are_the_same_bit_by_bit(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(storage, "CHUNK_BYTES", 500)
    if kind == "folder":
        paint_noise(tmp_path / "set/a", 24, size=(96, 64))
        paint_noise(tmp_path / "set/b", 16, size=(96, 64), first=100)
        kind = str(tmp_path / "set")
    elif kind == "npz":
        kind = str(tmp_path / "x.npz")
        np.savez(kind, images=noise(40), labels=np.arange(40) % 3)
    if kind == "arrays":
        held, streamed = (Dataset.from_arrays(images, np.arange(40) % 3) for images in (noise(40), in_file(noise(40))))
    elif kind == "tf":
        data = tf.data.Dataset.from_tensor_slices(noise(40))
        held, streamed = (Dataset.from_tf(data, memory_limit=limit) for limit in (None, 0))
    else:
        held, streamed = (load_dataset(kind, memory_limit=limit) for limit in (None, 100))
    for one, other in zip(parts_of(held), parts_of(streamed)):
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
    assert held.fingerprint == streamed.fingerprint


@pytest.mark.parametrize("kind", ["tf", "tf of any size", "folder", "npz", "npz that grows"])
def test_what_is_read_at_once_is_bounded_in_bytes_however_large_an_image_is(tmp_path, monkeypatch, chunks, kind):
    monkeypatch.setattr(storage, "CHUNK_BYTES", 2 * 96 * 64 * 3)
    monkeypatch.setattr(folder.os, "cpu_count", lambda: 2)
    images = noise(24, (96, 64, 3))
    if kind == "folder":
        read = load_dataset(str(paint_noise(tmp_path / "set", 24, size=(96, 64))))
    elif kind == "npz":
        np.savez(tmp_path / "x.npz", images=images)
        read = load_dataset(str(tmp_path / "x.npz"))
    elif kind == "npz that grows":
        np.savez(tmp_path / "x.npz", images=noise(24, (6, 4, 3)))
        read = load_dataset(str(tmp_path / "x.npz"), image_size=(96, 64))
    else:
        shape = (96, 64, 3) if kind == "tf" else (None, None, 3)
        given = tf.data.Dataset.from_generator(lambda: iter(images), output_signature=tf.TensorSpec(shape, tf.uint8))
        read = Dataset.from_tf(given)
    assert sum(map(len, parts_of(read))) == 24
    assert max(chunks) <= storage.CHUNK_BYTES
    assert sum(chunks) == images.nbytes


def test_batches_made_ahead_are_bounded_in_bytes():
    def ahead(side, batch_size):
        return Split(np.broadcast_to(np.uint8(0), (2_048, side, side, 3)), None)._batches_ahead(batch_size)

    assert [ahead(28, 64), ahead(256, 64), ahead(1_024, 64), ahead(256, 1_024)] == [8, 5, 1, 1]


def test_large_arrays_in_memory_give_the_same_batches_without_a_copy(monkeypatch):
    images = noise(40)
    copied = arrays_of(Split(images, None).batches(8, steps=9))
    monkeypatch.setattr(split, "_COPIED_BYTES", images.nbytes - 1)
    for array, other in zip(arrays_of(Split(images, None).batches(8, steps=9)), copied, strict=True):
        assert array.tobytes() == other.tobytes()


def test_what_is_taken_of_a_file_is_in_memory_when_it_fits(monkeypatch):
    images = noise(40)
    whole = Split(in_file(images), np.arange(40, dtype=np.int32))
    order = np.random.default_rng(1).permutation(40)[:20]
    for limit, streamed in ((20 * 30, False), (20 * 30 - 1, True)):
        monkeypatch.setattr(storage, "memory_limit", lambda limit=limit: limit)
        part = whole.take(order)
        assert storage.is_streamed(part.images) == streamed
        np.testing.assert_array_equal(part.images, images[order])
        np.testing.assert_array_equal(part.labels, order)


def test_holding_out_of_a_file_copies_it_once(monkeypatch):
    rows, stored, whole = [], storage.store, Split(in_file(noise(60)), None)
    monkeypatch.setattr(
        storage, "store", lambda chunks, limit: stored((rows.append(len(c)) or c for c in chunks), limit)
    )
    train, validation, test = split.three_ways({"train": whole})
    assert [len(train), len(validation), len(test)] == [42, 8, 10]
    assert sum(rows) == 60


def test_loading_needs_no_more_memory_than_a_few_chunks(tmp_path):
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
    assert peaks[0] > 36e6  # it sees what NumPy holds
    assert peaks[1] < 3.5 * storage.CHUNK_BYTES  # a chunk as read, its bytes, and one rearranged


def test_the_limit_is_a_quarter_of_the_memory_of_machine_or_container(tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "_CGROUP", tmp_path / "memory.max")
    machine = storage.memory_limit()
    for content, expected in (("max\n", machine), (f"{2**20}\n", 2**18)):
        (tmp_path / "memory.max").write_text(content)
        assert storage.memory_limit() == expected
    monkeypatch.setattr(storage.os, "sysconf", lambda name: 1_000)
    (tmp_path / "memory.max").unlink()
    assert storage.memory_limit() == 250_000


RESIDENT = """
import sys
from pathlib import Path
import numpy as np
import tensorflow as tf
from gan import Dataset

def anonymous():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("RssAnon")) / 1024

images = tf.data.Dataset.range(16).map(
    lambda seed: tf.cast(tf.random.stateless_uniform([500, 128, 128, 3], [seed, 0], 0, 256, tf.int32), tf.uint8)
)  # 375 MB, made 23 MB at a time
for _ in images.take(2):
    pass
before = anonymous()
dataset = Dataset.from_tf(images, memory_limit=int(sys.argv[1]))
assert len(dataset.fingerprint) == 64
for batch in dataset.train.batches(64, steps=200):
    pass
print(anonymous() - before)
"""


@pytest.mark.slow
def test_resident_memory_stays_bounded():
    grown = [
        float(subprocess.run([sys.executable, "-c", RESIDENT, str(limit)], capture_output=True, check=True).stdout)
        for limit in (2**40, 2**24)
    ]
    assert grown[0] > 300  # MB: of 375 that are held
    assert grown[1] < 200  # and of those that are not: chunks, and batches that are prefetched
