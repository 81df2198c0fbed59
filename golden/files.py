"""Files that users name: read only if they are regular and not too large, written whole or not at all.

**Reading.** A FIFO, a socket or a device would let a program wait for ever, or read without end: it is refused before
it is opened. An .npy or .npz file says how large its arrays are: that is compared with `ARRAYS_LIMIT`, with the free
memory and with the size of the file before any array is made.

**Writing.** Each file is written under another name in the same folder, and gets its own name when all of it is there
(`os.replace`). After a full disk, or an interrupt, the file that was there before is still there, and nothing else.
"""

import contextlib
import io
import math
import os
import secrets
import stat
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from golden.errors import FileError

ARRAYS_LIMIT = 1 << 33
"""Bytes that the arrays of a file may have in all: 8 GiB, as 50,000 color images of 224 × 224 bytes need."""

_KINDS = (
    (stat.S_ISDIR, "Is a directory"), (stat.S_ISFIFO, "is a FIFO"), (stat.S_ISSOCK, "is a socket"),
    (stat.S_ISCHR, "is a device"), (stat.S_ISBLK, "is a device"),
)
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""What numpy writes. Others would need memory that the size of the content does not bound."""
_TEMPORARY = ".synapress-{}.tmp"

PathLike = str | os.PathLike[str]

# -- reading -------------------------------------------------------------------------------------


def check_regular(path: PathLike) -> None:
    """That reading a file comes to an end.

    Raises:
        FileError: it is a directory, a FIFO, a socket or a device.
        OSError: there is no such file, or it cannot be looked at.
    """
    mode = os.stat(path).st_mode
    for is_kind, text in _KINDS:
        if is_kind(mode):
            raise FileError(path, f"{text}; needs a regular file")


def open_read(path: PathLike) -> BinaryIO:
    """A regular file, open for reading.

    Raises:
        OSError: as `check_regular`, or the file cannot be read.
    """
    check_regular(path)
    return open(path, "rb")


def read_bytes(path: PathLike) -> bytes:
    """All of a regular file; raises what `open_read` does."""
    with open_read(path) as file:
        return file.read()


def read_text(path: PathLike) -> str:
    """All of a regular file as UTF-8; raises what `open_read` does, and UnicodeDecodeError."""
    return read_bytes(path).decode()


def size_text(size: int) -> str:
    """Bytes for messages: exact, and large numbers in GiB too."""
    return f"{size:,} bytes" if size < 1 << 30 else f"{size:,} bytes ({size / (1 << 30):,.1f} GiB)"


def check_size(path: PathLike, needed: int, what: str, help: str) -> None:
    """That so many bytes may be read from a file into memory.

    Raises:
        FileError: they exceed ARRAYS_LIMIT, or the memory that is free.
    """
    free = _free_memory()
    for limit, name in ((ARRAYS_LIMIT, "the limit for a file"), (free, "free memory")):
        if limit is not None and needed > limit:
            raise FileError(path, f"{what} {size_text(needed)}; {name}: {size_text(limit)}. {help}")


def _free_memory() -> int | None:
    """Bytes that can be allocated without swapping, where the system says so."""
    try:
        with open("/proc/meminfo") as file:
            return next(int(line.split()[1]) << 10 for line in file if line.startswith("MemAvailable:"))
    except (OSError, ValueError, IndexError, StopIteration):
        return None


def load_arrays(path: PathLike) -> npt.NDArray[Any] | dict[str, npt.NDArray[Any]]:
    """The array of an .npy file, or the arrays of an .npz file by name.

    Raises:
        FileError: the arrays are too large, or larger than the file that should hold them; or no regular file.
        OSError: the file cannot be read.
        ValueError, EOFError, zipfile.BadZipFile, and others: it is none of these files, or is damaged.
    """
    with open_read(path) as file:
        start = file.read(4)
        file.seek(0)
        if start[:2] != b"PK":
            _check_header(path, file, os.fstat(file.fileno()).st_size, "the file")
            file.seek(0)
            return np.lib.format.read_array(file, allow_pickle=False)
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            check_size(path, sum(member.file_size for member in members), "needs, as its directory declares,", _FEWER)
            for member in members:
                if member.compress_type not in _METHODS:
                    raise ValueError(f"'{member.filename}' is compressed by a method that numpy does not use")
                with archive.open(member) as content:
                    _check_header(path, content, member.file_size, f"'{member.filename}'")
            return {member.filename.removesuffix(".npy"): _member(archive, member) for member in members}


_FEWER = "Put fewer frames into one file, or pass arrays by the Python API."


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> npt.NDArray[Any]:
    with archive.open(member) as content:
        return np.lib.format.read_array(content, allow_pickle=False)


def _check_header(path: PathLike, file: IO[bytes], size: int, where: str) -> None:
    """That the array of an .npy header is one of numbers, and is no larger than its file (or member) of `size` bytes.

    Raises:
        FileError: it is larger than may be, or than there is content.
        ValueError: this is no .npy header, or one of Python objects.
    """
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    else:  # names of fields in UTF-8, which arrays of numbers do not have
        raise ValueError(f".npy format {version[0]}.{version[1]}; needs an array of numbers in format 1.0 or 2.0")
    if dtype.hasobject or min(shape, default=0) < 0:
        raise ValueError(f"{where} declares an array of shape {shape} of {dtype}; needs numbers")
    needed = math.prod(shape) * dtype.itemsize
    what = f"{where} declares an array of shape {shape} of {dtype}, which needs"
    check_size(path, needed, what, _FEWER)
    there = size - file.tell()
    if needed > there:
        raise FileError(path, f"{what} {size_text(needed)}; in the file: {size_text(there)}. The file is cut off or "
                              "damaged: copy it again.")


# -- writing -------------------------------------------------------------------------------------


class Writing:
    """Files that belong together: all of them are replaced when the block ends, or none.

        with Writing() as files:
            files.write(folder / "core.v", text)
            files.write(folder / "core.json", description)

    Folders are made where they are missing. A link stays, and the file behind it is replaced. What has no content to be
    kept (a FIFO, a device, this process's own standard output) is written to directly.

    Raises:
        FileError: a file cannot be written; all files are then as they were.
    """

    def __init__(self) -> None:
        self._temporary: dict[Path, Path] = {}
        self._removed: list[Path] = []
        self._folders: list[Path] = []

    def __enter__(self) -> "Writing":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
                 ) -> None:
        try:
            if kind is None:
                self._commit()
        finally:
            self._clean()

    def write(self, path: PathLike, content: bytes | str) -> None:
        """A file with this content, text as UTF-8."""
        with self.open(path) as file:
            file.write(content.encode() if isinstance(content, str) else content)

    @contextlib.contextmanager
    def open(self, path: PathLike) -> Iterator[IO[bytes]]:
        """A binary file to be filled within the block."""
        direct = _is_direct(Path(path))
        try:
            if direct:
                with open(path, "wb") as given:
                    yield given
                return
            target = _resolved(Path(path))
            with self._create(target) as file:
                yield file
        except FileError:
            raise
        except OSError as error:
            kept = "" if direct else ". No file was changed."
            raise FileError(path, f"cannot be written: {error.strerror or error}{kept}") from error

    def remove(self, path: PathLike) -> None:
        """Remove a file, if it is not written anew, and its folder, if that is then empty; after all is written."""
        self._removed.append(Path(path))

    def content(self, path: PathLike) -> Path | None:
        """Where the content is that a file will have; None if there will be no such file."""
        target = _resolved(Path(path))
        if target in self._temporary:
            return self._temporary[target]
        return target if target.is_file() and target not in map(_resolved, self._removed) else None

    def inside(self, folder: PathLike) -> list[Path]:
        """Paths below a folder, in order, of all files that will be in it."""
        root = _resolved(Path(folder))
        there = {path for path in root.rglob("*") if path not in self._temporary.values()}
        there |= {target for target in self._temporary if target.is_relative_to(root)}
        return [path.relative_to(root) for path in sorted(there) if self.content(path) is not None]

    def _create(self, target: Path) -> io.BufferedWriter:
        self._make_folder(target.parent)
        mode = None
        if target.exists():
            if target.is_dir():
                raise IsADirectoryError(None, "is a directory")
            if not os.access(target, os.W_OK):  # a new file in its place would not ask
                raise PermissionError(None, "the file is write-protected")
            mode = stat.S_IMODE(target.stat().st_mode)
        new = self._temporary.get(target)
        file = open(new or target.with_name(_TEMPORARY.format(secrets.token_hex(8))), "xb" if new is None else "wb")
        self._temporary[target] = new = Path(file.name)
        if mode is not None:
            os.chmod(new, mode)
        return file

    def _make_folder(self, folder: Path) -> None:
        missing = [item for item in (folder, *folder.parents) if not item.exists()]
        self._folders += reversed(missing)
        folder.mkdir(parents=True, exist_ok=True)

    def _commit(self) -> None:
        written = set(self._temporary)
        for target in list(self._temporary):
            try:
                os.replace(self._temporary[target], target)
            except OSError as error:
                raise FileError(target, f"cannot be replaced: {error.strerror or error}") from error
            del self._temporary[target]
        self._folders.clear()
        for path in self._removed:
            if _resolved(path) in written:
                continue
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise FileError(path, f"cannot be removed: {error.strerror or error}") from error
            with contextlib.suppress(OSError):  # not empty, or not there
                path.parent.rmdir()

    def _clean(self) -> None:
        """Remove what did not become a file, and folders that were made for it."""
        for new in self._temporary.values():
            with contextlib.suppress(OSError):
                new.unlink(missing_ok=True)
        for folder in reversed(self._folders):
            with contextlib.suppress(OSError):  # something else is in it by now
                folder.rmdir()


def _resolved(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _is_direct(path: Path) -> bool:
    """Whether a path names a FIFO or a device, or an open file of a process (/dev/stdout), perhaps behind links.

    An open file may be a regular one, as in `command > file`; to replace it would take it from the process.
    """
    for _ in range(40):  # as many links as Linux follows
        if path.absolute().is_relative_to("/dev/fd") or path.absolute().is_relative_to("/proc"):
            return True
        if not os.path.islink(path):
            break
        path = path.parent / os.readlink(path)
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)


def write(path: PathLike, content: bytes | str) -> None:
    """Write one file whole or not at all; see `Writing`."""
    with Writing() as files:
        files.write(path, content)


def save_arrays(file: IO[bytes], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write a compressed .npz archive. Its arrays may have any names, which `numpy.savez` takes as keywords."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as content:
                np.lib.format.write_array(content, np.asanyarray(array), allow_pickle=False)
