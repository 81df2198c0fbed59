"""CIFAR-10 and CIFAR-100 from files that the user has: the binary version, and the Python version without running code.

Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009; https://www.cs.toronto.edu/~kriz/cifar.html
describes the files. Nothing is downloaded.
"""

import io
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from golden.errors import FileError
from golden.files import check_size, open_read, read_text

CHANNELS, SIDE = 3, 32
PIXELS = CHANNELS * SIDE * SIDE
"""Bytes of an image: red, green and blue, row by row."""
Arrays = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]
"""Images (N, PIXELS) and labels (N,)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Cifar:
    """Images are uint8 (N, channels, rows, columns), labels int64 (N,)."""

    name: str
    classes: tuple[str, ...]
    """Their names, or their numbers where the folder does not name them."""
    train_images: npt.NDArray[np.uint8]
    train_labels: npt.NDArray[np.int64]
    test_images: npt.NDArray[np.uint8]
    test_labels: npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class _Form:
    """How one data set is stored."""

    name: str
    classes: int
    train: tuple[str, ...]
    test: str
    label_bytes: int
    """Of a binary record; the last one is the label."""
    label_key: bytes
    names: str
    """File with the names of the classes; of the binary version."""


_TEN = _Form(
    name="CIFAR-10", classes=10, train=tuple(f"data_batch_{number}" for number in range(1, 6)), test="test_batch",
    label_bytes=1, label_key=b"labels", names="batches.meta.txt")
_HUNDRED = _Form(name="CIFAR-100", classes=100, train=("train",), test="test", label_bytes=2,
                 label_key=b"fine_labels", names="fine_label_names.txt")
BINARY = ".bin"


def load_cifar(folder: str | Path) -> Cifar:
    """All of a folder with the unpacked files of either set, in either version.

    Of CIFAR-100 the labels are the 100 fine ones.

    Raises:
        FileError: files are missing, or no batches of CIFAR.
    """
    folder = Path(folder)
    form, suffix, read = _found(folder)
    parts = []
    for name in (*form.train, form.test):
        path = folder / f"{name}{suffix}"
        try:
            with open_read(path) as file:
                check_size(path, path.stat().st_size, "a batch of", "Is it another file?")
                images, labels = read(path, file.read(), form)
        except FileError:
            raise
        except OSError as error:
            raise FileError(path, f"cannot be read: {error.strerror or error}") from error
        if not len(labels):
            raise FileError(path, f"no images of {form.name}")
        if int(labels.max()) >= form.classes:
            raise FileError(path, f"label {labels.max()}; {form.name} has labels of 0 to {form.classes - 1}")
        parts.append((images.reshape(-1, CHANNELS, SIDE, SIDE), labels.astype(np.int64)))
    *train, (test_images, test_labels) = parts
    return Cifar(
        name=form.name, classes=_classes(folder, form), test_images=test_images, test_labels=test_labels,
        train_images=np.concatenate([images for images, _ in train]),
        train_labels=np.concatenate([labels for _, labels in train]))


def _found(folder: Path) -> tuple[_Form, str, Callable[[Path, bytes, _Form], Arrays]]:
    """The set and the version that a folder has.

    Raises:
        FileError: it has none, or not all of one.
    """
    if not folder.is_dir():
        raise FileError(folder, "is no folder; give the one that CIFAR's archive unpacks to")
    for form in (_TEN, _HUNDRED):
        for suffix, read in ((BINARY, _binary), ("", _pickled)):
            names = [f"{name}{suffix}" for name in (*form.train, form.test)]
            missing = [name for name in names if not (folder / name).is_file()]
            if not missing:
                return form, suffix, read
            if len(missing) < len(names):
                raise FileError(folder, f"has some files of {form.name}, but no {', '.join(missing)}")
    raise FileError(folder, "has no files of CIFAR-10 or CIFAR-100, as data_batch_1.bin, train.bin, data_batch_1 or "
                            "train; give the folder that the archive unpacks to")


def _classes(folder: Path, form: _Form) -> tuple[str, ...]:
    """Names of the classes, if there is a file with one in each line."""
    try:
        names = tuple(line.strip() for line in read_text(folder / form.names).splitlines() if line.strip())
    except (OSError, UnicodeDecodeError):
        names = ()
    return names if len(names) == form.classes else tuple(map(str, range(form.classes)))


def _binary(path: Path, content: bytes, form: _Form) -> Arrays:
    """Records of labels and pixels."""
    size = form.label_bytes + PIXELS
    if len(content) % size:
        raise FileError(path, f"{len(content):,} bytes, which are no whole records of {size:,} bytes of {form.name}")
    records = np.frombuffer(content, np.uint8).reshape(-1, size)
    return records[:, form.label_bytes:], records[:, form.label_bytes - 1]


# -- the Python version ------------------------------------------------------------------------


class _Array:
    """Stands for an array of numpy while a file is read, and does nothing but to keep what the file says of it."""

    state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Type:
    """Stands for a number type."""

    def __init__(self, *given: Any) -> None:
        self.given = given

    def __setstate__(self, state: Any) -> None:
        """Byte order and fields, which a byte does not have."""


class _Batch(pickle.Unpickler):
    """Reads a pickle that holds plain Python values and arrays, and runs nothing that the file names."""

    known: ClassVar[dict[tuple[str, str], Any]] = {
        ("numpy.core.multiarray", "_reconstruct"): lambda *_: _Array(), ("numpy", "ndarray"): _Array,
        ("numpy._core.multiarray", "_reconstruct"): lambda *_: _Array(), ("numpy", "dtype"): _Type}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.known:
            raise pickle.UnpicklingError(f"names {module}.{name}, which no batch of CIFAR needs")
        return self.known[module, name]


def _pickled(path: Path, content: bytes, form: _Form) -> Arrays:
    """A dictionary with an array of pixels and a list of labels."""
    try:
        found = _Batch(io.BytesIO(content), encoding="bytes").load()
    except Exception as error:  # unpickling damaged files raises all kinds
        raise FileError(path, f"no batch of {form.name} in the Python version: {error}") from error
    if not isinstance(found, dict):
        raise FileError(path, f"no batch of {form.name} in the Python version: holds no dictionary")
    labels = found.get(form.label_key)
    if not isinstance(labels, list) or not all(type(label) is int and 0 <= label < 256 for label in labels):
        raise FileError(path, f"no batch of {form.name}: no list '{form.label_key.decode()}' of small integers")
    images = np.frombuffer(_pixels(path, found.get(b"data"), form), np.uint8).reshape(-1, PIXELS)
    if len(images) != len(labels):
        raise FileError(path, f"{len(images):,} images, and {len(labels):,} labels")
    return images, np.array(labels, np.uint8)


def _pixels(path: Path, array: Any, form: _Form) -> bytes:
    """The bytes of an array (N, PIXELS) of unsigned bytes, by what the file says of it."""
    state = array.state if isinstance(array, _Array) else None
    if isinstance(state, tuple) and len(state) == 5:
        _, shape, kind, columns_first, content = state
        if (isinstance(kind, _Type) and kind.given[:1] in (("u1",), (b"u1",)) and isinstance(content, bytes)
                and not columns_first and shape == (len(content) // PIXELS, PIXELS)
                and len(content) % PIXELS == 0):
            return content
    raise FileError(path, f"no batch of {form.name}: 'data' is no array (N, {PIXELS}) of unsigned bytes")
