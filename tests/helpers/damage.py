"""Damaged files: JSON with fields dropped or of wrong types, and bytes cut, flipped and replaced."""

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from golden.errors import SynapressError

Path = tuple[str | int, ...]
DROP = object()
WRONG = (DROP, None, True, -1, 1 << 80, 2.5, "text", [], [None], {}, {"text": 1})


def paths(data: Any, at: Path = ()) -> Iterator[Path]:
    """Every place in JSON data, the whole left out."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield (*at, key)
        yield from paths(value, (*at, key))


def get(data: Any, path: Path) -> Any:
    for key in path:
        data = data[key]
    return data


def put(data: Any, path: Path, value: Any) -> Any:
    """A copy of JSON data in which something else lies at a path, or with DROP nothing."""
    result = copy.deepcopy(data)
    parent = get(result, path[:-1])
    if value is DROP:
        del parent[path[-1]]
    else:
        parent[path[-1]] = value
    return result


def name(path: Path, value: Any) -> str:
    """What is done where, as `inputs[0].shape dropped`."""
    dotted = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)[1:]
    return f"{dotted} {'dropped' if value is DROP else json.dumps(value)}"


def sort(value: Any) -> str:
    """The sort of a JSON value, as schemas see it: any number where a real one is needed."""
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def damages(data: Any) -> list[tuple[Path, Any]]:
    """Every place with everything of `WRONG` that is of another sort than what lies there."""
    return [(path, value) for path in paths(data) for value in WRONG
            if value is DROP or sort(value) != sort(get(data, path)) or value == -1]


def survey(data: Any, write: Callable[[str], object], load: Callable[[], object], rng: np.random.Generator,
           one_in: int) -> tuple[list[str], list[str]]:
    """Write JSON with each damage, or one in so many, and load it: messages of the errors, and what was taken."""
    refused, taken = [], []
    for path, value in damages(data):
        if rng.integers(one_in):
            continue
        write(json.dumps(put(data, path, value)))
        try:
            load()
        except SynapressError as error:
            refused.append(str(error))
        else:
            taken.append(name(path, value))
    return refused, taken


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """Bytes cut short, or with some flipped, removed, or put in between."""
    if rng.random() < 0.2:
        return data[:int(rng.integers(len(data)))]
    result = bytearray(data)
    for _ in range(int(rng.integers(1, 6))):
        at = int(rng.integers(len(result)))
        match rng.integers(4):
            case 0:
                result[at] ^= 1 << int(rng.integers(8))
            case 1:
                result[at] = int(rng.integers(256))
            case 2:
                del result[at:at + int(rng.integers(1, min(40, len(result))))]
            case _:
                result[at:at] = bytes(rng.integers(0, 256, int(rng.integers(1, 9)), np.uint8))
    return bytes(result)
