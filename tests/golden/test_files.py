"""Files that are no files, files that promise too much, and disks that are full."""

import io
import os
import resource
import socket
import stat
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest

from golden import files
from golden.errors import FileError
from golden.files import Writing, load_arrays, open_read, read_text, save_arrays, write

ROOT = Path(__file__).resolve().parents[2]


def header(shape: str, dtype: str = "<f8", version: int = 1) -> bytes:
    """An .npy header, made by hand."""
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}"
    length = 2 if version == 1 else 4
    padded = text.ljust(-(8 + length + len(text) + 1) % 64 + len(text)) + "\n"
    return b"\x93NUMPY" + bytes([version, 0]) + len(padded).to_bytes(length, "little") + padded.encode()


# -- reading -------------------------------------------------------------------------------------


def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's name has at most some 100 bytes
    os.mkfifo("fifo")
    Path("folder").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        for name, says in (("fifo", "is a FIFO"), ("folder", "Is a directory"), ("socket", "is a socket"),
                           ("/dev/zero", "is a device")):
            Path("link").unlink(missing_ok=True)
            Path("link").symlink_to(name)
            for read in (open_read, read_text, load_arrays):
                for given in (name, "link"):
                    with pytest.raises(FileError, match=f"'{given}': {says}; needs a regular file"):
                        read(given)
    with pytest.raises(FileNotFoundError):
        open_read("none")


def test_arrays_come_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    arrays = {"a": rng.normal(size=(3, 4)), "b/c": np.asfortranarray(rng.integers(0, 9, (2, 5))), "file": np.array(3),
              "empty": np.zeros((0, 7), np.int8)}
    with Writing() as written, written.open(tmp_path / "a.npz") as file:
        save_arrays(file, arrays)
    np.savez(tmp_path / "b.npz", **{name: arrays[name] for name in ("a", "b/c", "empty")})
    np.save(tmp_path / "a.npy", arrays["a"])
    with (tmp_path / "v2.npy").open("wb") as file:
        np.lib.format.write_array(file, arrays["a"], version=(2, 0))
    for name in ("a.npz", "b.npz"):
        found = load_arrays(tmp_path / name)
        assert isinstance(found, dict) and set(found) == {*arrays} - ({"file"} if name == "b.npz" else set())
        for key, array in found.items():
            np.testing.assert_array_equal(array, arrays[key])
            assert array.dtype == arrays[key].dtype
    for name in ("a.npy", "v2.npy"):
        np.testing.assert_array_equal(load_arrays(tmp_path / name), arrays["a"])
    with np.load(tmp_path / "a.npz") as loaded:
        assert set(loaded.files) == set(arrays), "numpy reads it, too"


@pytest.mark.parametrize("version", [1, 2])
def test_headers_of_huge_shapes_are_refused(version: int, tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    for shape, size in (("(1000000, 1000000)", "8,000,000,000,000 bytes"), ("(1099511627776,)", "8,796,093,022,208"),
                        (f"({1 << 40}, {1 << 40})", f"{8 << 80:,}")):
        path.write_bytes(header(shape, version=version) + bytes(800))
        with pytest.raises(FileError, match=rf"a.npy': the file declares an array of shape .*{size}.*limit for a file"):
            load_arrays(path)
    path.write_bytes(header("(101,)", version=version) + bytes(800))
    with pytest.raises(FileError, match=r"needs 808 bytes; in the file: 800 bytes"):
        load_arrays(path)
    for bad in (header("(-5,)"), header("(5,)", "|O"), header("(5,)")[:30], header("5"), b"", b"PK", b"text"):
        path.write_bytes(bad)
        with pytest.raises((ValueError, EOFError, zipfile.BadZipFile)):
            load_arrays(path)


def test_archives_that_would_expand_too_far_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before any array is made: by the sizes of the directory, of all members together, and of each header."""
    path = tmp_path / "bomb.npz"
    monkeypatch.setattr(files, "ARRAYS_LIMIT", 1 << 20)
    monkeypatch.setattr(np.lib.format, "read_array", None)
    np.savez_compressed(path, a=np.zeros(1 << 17), b=np.zeros(1 << 4))
    assert path.stat().st_size < 10_000
    with pytest.raises(FileError, match=r"bomb.npz': needs, as its directory declares, 1,048,9\d\d bytes; the limit "
                                        r"for a file: 1,048,576 bytes\. Put fewer frames into one file"):
        load_arrays(path)
    for member in (header("(1048576, 1048576)"), header("(2,)") + bytes(8)):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.npy", member)
        with pytest.raises(FileError, match=r"bomb.npz': 'a.npy' declares an array of shape"):
            load_arrays(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a.npy", header("(2,)") + bytes(16))
    with pytest.raises(ValueError, match="compressed by a method that numpy does not use"):
        load_arrays(path)


def test_arrays_must_fit_the_free_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez_compressed(tmp_path / "a.npz", a=np.zeros(1000))
    monkeypatch.setattr(files, "_free_memory", lambda: 5000)
    with pytest.raises(FileError, match=r"declares, 8,128 bytes; free memory: 5,000 bytes"):
        load_arrays(tmp_path / "a.npz")
    monkeypatch.setattr(files, "_free_memory", lambda: None)
    load_arrays(tmp_path / "a.npz")


# -- writing -------------------------------------------------------------------------------------


def listing(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


def test_all_files_or_none_are_written(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    before = listing(tmp_path)

    def interrupted(path: Path) -> None:
        with Writing() as out:
            out.write(tmp_path / "a", "new")
            out.write(tmp_path / "made/deep/b", "new")
            out.remove(tmp_path / "a")
            with out.open(path) as file:
                file.write(b"half")
                raise KeyboardInterrupt

    for path in (tmp_path / "a", tmp_path / "c"):
        with pytest.raises(KeyboardInterrupt):
            interrupted(path)
        assert listing(tmp_path) == before, "no folder either"
    with Writing() as out:
        out.write(tmp_path / "a", "new")
        out.write(tmp_path / "made/deep/b", b"\xff")
        assert (tmp_path / "a").read_text() == "old", "not before all is there"
    assert listing(tmp_path) == {"a": b"new", "made": b"", "made/deep": b"", "made/deep/b": b"\xff"}
    with Writing() as out:
        out.write(tmp_path / "a", "newer")
        out.remove(tmp_path / "a")
        out.remove(tmp_path / "made/deep/b")
        out.remove(tmp_path / "nowhere/c")
        assert out.inside(tmp_path) == [Path("a")] and out.content(tmp_path / "made/deep/b") is None
        assert (out.content(tmp_path / "a") or tmp_path).read_bytes() == b"newer"
    assert listing(tmp_path) == {"a": b"newer", "made": b""}


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    (tmp_path / "folder").mkdir()
    before = listing(tmp_path)
    for path, says in ((tmp_path / "file/a", "(File exists|Not a directory)"), (tmp_path / "folder", "is a directory"),
                       (tmp_path / ("a" * 300), "File name too long")):
        with pytest.raises(FileError, match=rf"{path}': cannot be .*{says}") as caught:
            write(path, "new")
        assert isinstance(caught.value, OSError) and caught.value.filename == str(path)
        assert listing(tmp_path) == before


def test_modes_and_links_stay(tmp_path: Path) -> None:
    write(tmp_path / "new", "x")
    (tmp_path / "plain").write_text("x")
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "plain").stat().st_mode
    (tmp_path / "new").chmod(0o640)
    (tmp_path / "link").symlink_to("new")
    write(tmp_path / "link", "y")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "new").read_text() == "y"
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


def test_pipes_and_devices_are_written_to(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.npz")
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append((tmp_path / "fifo.npz").read_bytes()))
    reader.start()
    with Writing() as out, out.open(tmp_path / "fifo.npz") as file:
        save_arrays(file, {"a": np.arange(5)})
    reader.join(10)
    with np.load(io.BytesIO(received[0])) as loaded:
        assert loaded["a"].tolist() == [0, 1, 2, 3, 4]
    assert (tmp_path / "fifo.npz").is_fifo()
    write("/dev/null", "x")
    (tmp_path / "full").symlink_to("/dev/full")
    with pytest.raises(FileError, match=r"full': cannot be written: No space left on device$"):
        write(tmp_path / "full", "x")


def test_standard_output_stays_the_process_own(tmp_path: Path) -> None:
    """Though it leads into a regular file: replaced, that would lose what is printed later."""
    code = "from golden.files import write; print('a', flush=True); write('/dev/stdout', 'b\\n'); print('c')"
    with (tmp_path / "out").open("ab") as out:
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, stdout=out, check=True)
    assert (tmp_path / "out").read_text().endswith("b\nc\n")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    """The limit on a file's size, in place of a full disk: the error comes from the same system call."""
    code = ("import sys; from golden.files import Writing\n"
            "with Writing() as out:\n"
            "    out.write('small', 'new')\n"
            "    out.write('made/large', 'x' * 100_000)\n")
    (tmp_path / "small").write_text("old")
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True,
        text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000)))
    assert "FileError: 'made/large': cannot be written: File too large. No file was changed." in done.stderr
    assert listing(tmp_path) == {"small": b"old"}
