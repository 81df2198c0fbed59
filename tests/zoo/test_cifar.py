"""CIFAR's files, drawn: both sets and both versions are read, and damaged or foreign ones are refused by name."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from golden.errors import FileError
from synapress.zoo.cifar import PIXELS, load_cifar

TEN = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
HUNDRED = ["train", "test"]
RECORDS = 3


def write(folder: Path, names: list[str], *, binary: bool, seed: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Drawn batches; returns images and labels by file."""
    rng, found = np.random.default_rng(seed), {}
    for name in names:
        images = rng.integers(0, 256, (RECORDS, PIXELS), np.uint8)
        labels = rng.integers(0, 10 if len(names) == len(TEN) else 100, RECORDS, np.uint8)
        coarse = [] if len(names) == len(TEN) else [rng.integers(0, 20, RECORDS, np.uint8)]
        if binary:
            (folder / f"{name}.bin").write_bytes(np.column_stack([*coarse, labels, images]).tobytes())
        else:
            key = b"fine_labels" if coarse else b"labels"
            (folder / name).write_bytes(pickle.dumps(
                {b"data": images, key: labels.tolist(), b"batch_label": b"drawn", b"filenames": [b"a.png"] * RECORDS},
                protocol=3))
        found[name] = images, labels
    return found


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("names", [TEN, HUNDRED])
def test_all_forms(names: list[str], binary: bool, tmp_path: Path, seed: int) -> None:
    drawn = write(tmp_path, names, binary=binary, seed=seed)
    found = load_cifar(tmp_path)
    *train, test = (drawn[name] for name in names)
    assert found.train_images.shape == (RECORDS * len(train), 3, 32, 32) and found.train_images.dtype == np.uint8
    wanted = [np.concatenate(part) for part in zip(*train, strict=True)]
    np.testing.assert_array_equal(found.train_images.reshape(-1, PIXELS), wanted[0])
    np.testing.assert_array_equal(found.train_labels, wanted[1])
    np.testing.assert_array_equal(found.test_images.reshape(-1, PIXELS), test[0])
    np.testing.assert_array_equal(found.test_labels, test[1])
    # Row by row: the second pixel of an image is one to the right.
    assert found.test_images[0, 0, 0, 1] == test[0][0, 1] and found.test_images[0, 1, 0, 0] == test[0][0, 1024]
    count = 10 if names is TEN else 100
    assert found.classes == tuple(map(str, range(count))) and found.name == f"CIFAR-{count}"


def test_names_of_classes(tmp_path: Path) -> None:
    write(tmp_path, TEN, binary=True, seed=1)
    (tmp_path / "batches.meta.txt").write_text("\n".join("abcdefghij") + "\n\n")
    assert load_cifar(tmp_path).classes == tuple("abcdefghij")


class Runs:
    """Unpickled by an ordinary reader, it runs a command."""

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.path}",)

    def __init__(self, path: Path):
        self.path = path


def test_no_code_of_a_file_runs(tmp_path: Path) -> None:
    write(tmp_path, HUNDRED, binary=False, seed=1)
    (tmp_path / "train").write_bytes(pickle.dumps({b"data": Runs(tmp_path / "ran")}, protocol=3))
    with pytest.raises(FileError, match=r"train': no batch of CIFAR-100 in the Python version: names \w+\.system, "
                                        "which no batch of CIFAR needs"):
        load_cifar(tmp_path)
    assert not (tmp_path / "ran").exists()


GOOD = np.zeros((2, PIXELS), np.uint8)


@pytest.mark.parametrize(("content", "told"), [
    ({b"data": GOOD, b"fine_labels": [1, 100]}, "label 100; CIFAR-100 has labels of 0 to 99"),
    ({b"data": GOOD, b"fine_labels": [1]}, "2 images, and 1 labels"),
    ({b"data": GOOD[:0], b"fine_labels": []}, "no images of CIFAR-100"),
    ({b"data": GOOD, b"labels": [1, 2]}, "no batch of CIFAR-100: no list 'fine_labels' of small integers"),
    ({b"data": GOOD, b"fine_labels": [1, -2]}, "no list 'fine_labels' of small integers"),
    ({b"data": GOOD[:, 1:], b"fine_labels": [1, 2]}, r"'data' is no array \(N, 3072\) of unsigned bytes"),
    ({b"data": GOOD.astype(np.int16), b"fine_labels": [1, 2]}, r"'data' is no array \(N, 3072\) of unsigned bytes"),
    ({b"data": np.asfortranarray(GOOD), b"fine_labels": [1, 2]}, r"'data' is no array \(N, 3072\) of unsigned bytes"),
    ({b"data": GOOD.tolist(), b"fine_labels": [1, 2]}, r"'data' is no array \(N, 3072\) of unsigned bytes"),
    ([GOOD], "no batch of CIFAR-100 in the Python version: holds no dictionary"),
    (b"", "no batch of CIFAR-100 in the Python version: "),
])
def test_foreign_batches(content: Any, told: str, tmp_path: Path) -> None:
    write(tmp_path, HUNDRED, binary=False, seed=1)
    (tmp_path / "train").write_bytes(content if isinstance(content, bytes) else pickle.dumps(content, protocol=3))
    with pytest.raises(FileError, match=f"train': .*{told}"):
        load_cifar(tmp_path)


def test_damaged_and_missing_files(tmp_path: Path, seed: int) -> None:
    with pytest.raises(FileError, match="has no files of CIFAR-10 or CIFAR-100"):
        load_cifar(tmp_path)
    with pytest.raises(FileError, match="is no folder"):
        load_cifar(tmp_path / "none")
    write(tmp_path, TEN, binary=True, seed=1)
    whole = (tmp_path / "data_batch_2.bin").read_bytes()
    (tmp_path / "data_batch_2.bin").write_bytes(whole[:-1])
    with pytest.raises(FileError, match=r"data_batch_2\.bin': 9,218 bytes, which are no whole records of 3,073 bytes "
                                        "of CIFAR-10"):
        load_cifar(tmp_path)
    (tmp_path / "data_batch_2.bin").write_bytes(bytes([10]) + whole[1:])
    with pytest.raises(FileError, match=r"data_batch_2\.bin': label 10; CIFAR-10 has labels of 0 to 9"):
        load_cifar(tmp_path)
    (tmp_path / "data_batch_2.bin").unlink()
    with pytest.raises(FileError, match=r"has some files of CIFAR-10, but no data_batch_2\.bin"):
        load_cifar(tmp_path)


def test_any_damage_of_a_pickle_is_an_error_or_images(tmp_path: Path, seed: int) -> None:
    """Bytes changed anywhere in the head: never another kind of error."""
    write(tmp_path, HUNDRED, binary=False, seed=seed)
    rng, whole, refused = np.random.default_rng(seed), (tmp_path / "train").read_bytes(), 0
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[int(rng.integers(0, 220))] = int(rng.integers(0, 256))
        (tmp_path / "train").write_bytes(damaged)
        try:
            load_cifar(tmp_path)
        except FileError:
            refused += 1
    assert refused > 50
