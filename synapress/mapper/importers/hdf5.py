"""What an HDF5 file declares, looked at before any of it is read."""

import math
from pathlib import Path

import h5py

from golden.files import check_size


def check_content(path: Path, file: h5py.File) -> None:
    """That reading all data sets comes to an end, and fits the memory.

    A compressed data set, or one of which nothing was stored, may be far larger than the file.

    Raises:
        FileError: the data sets are too large.
        ValueError: a group can be reached in two ways, perhaps from within itself, or data lie in other files.
    """
    declared, pending, seen = 0, [file], set()
    while pending:
        group = pending.pop()
        address = h5py.h5o.get_info(group.id).addr
        if address in seen:
            raise ValueError(f"the group '{group.name}' lies in two places; needs a tree")
        seen.add(address)
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise ValueError(f"'{name}' in '{group.name}' is a link; needs the data in place")
            item = group[name]
            if isinstance(item, h5py.Group):
                pending.append(item)
            elif isinstance(item, h5py.Dataset):
                if item.external or item.is_virtual:
                    raise ValueError(f"'{item.name}' has its data in other files; needs the data in place")
                declared += math.prod(item.shape or ()) * item.dtype.itemsize
    check_size(path, declared, "its data sets declare", "A network needs far less: check the file.")
