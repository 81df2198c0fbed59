"""A proof that cores cannot all be in reach of those they talk to, found before any of them is placed.

What is k links from a core lies at most k times the reach of an address from it, in columns and in rows. So around
every core there must be as many places as there are cores within k links; near the edges of a mesh there are fewer.
"""

from dataclasses import dataclass

import numpy as np

from golden.types import Array, Place


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """More cores around one than there are places."""

    core: int
    """Its number; of the host, that of cores."""
    links: int
    cores: int
    """Cores within so many links, itself included."""
    places: int
    """Places for them, wherever it is put with all that have as many around them."""


def crowded(linked: Array, size: tuple[int, int], host: Place, far: int) -> Crowd | None:
    """The first core, by fewest links, for which there cannot be room; None if this finds none.

    Args:
        linked: whether two cores exchange events; the host is the last of them. Symmetric.
        size: columns and rows of the mesh.
        host: its place, in or outside of the mesh.
        far: columns or rows that an address reaches.
    """
    count, links = len(linked) - 1, 1
    step = linked.astype(np.float32)
    np.fill_diagonal(step, 1)
    within, inside = step > 0, 0 <= host[0] < size[0] and 0 <= host[1] < size[1]
    while links * far < max(size):
        found = within[:, :-1].sum(axis=1)
        around = [_in_window(np.arange(min(length, 2 * links * far + count)), length, links * far) for length in size]
        at_host = [int(_in_window(np.array(host[axis]), size[axis], links * far)) for axis in (0, 1)]
        host_room = at_host[0] * at_host[1] - inside
        if found[-1] > host_room:
            return Crowd(core=count, links=links, cores=int(found[-1]), places=host_room)
        order = np.argsort(-found[:-1], kind="stable")
        # As many places as cores, those with the most room: what does not fit there fits nowhere.
        room = np.sort(np.outer(*around), axis=None)[::-1][:count]
        over = np.flatnonzero(found[order[:len(room)]] > room)
        if len(over):
            core = int(order[over[0]])
            return Crowd(core=core, links=links, cores=int(found[core]), places=int(room[over[0]]))
        grown = within.astype(np.float32) @ step > 0
        if (grown == within).all():
            return None
        within, links = grown, links + 1
    return None


def _in_window(at: Array, length: int, far: int) -> Array:
    """Places of an axis that are at most `far` from each of some."""
    return np.asarray(np.maximum(0, np.minimum(at + far, length - 1) - np.maximum(at - far, 0) + 1))
