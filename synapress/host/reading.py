"""Which part of an ONNX file is the host's: what cores cannot compute, as far as the user leaves it to the host.

A file is split in front of the first node that cores cannot have. If layers with learned weights follow, the user must
say so: by the node behind which the host takes over (`host_after`), or by `cut="auto"`, which leaves to the cores as
much as they can compute. Else the file is refused, and the refusal says which of these would work.
"""

import difflib
import json
import shlex
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any, NamedTuple

import numpy.typing as npt
import onnx

from synapress.host.host import kinds, listed
from synapress.host.nodes import functions, learned
from synapress.host.plan import planned, prepared
from synapress.host.split import Split
from synapress.host.work import Work
from synapress.mapper.errors import ModelError, ModelWarning
from synapress.mapper.importers.model import Model
from synapress.mapper.importers.onnx.reader import read_onnx

Read = Callable[[onnx.ModelProto], Model]
AUTO = "auto"
TRIED = 50_000_000
"""Multiplications for one frame up to which a way out is run before it is told: about a second."""
PROBED = 1 << 28
"""Bytes of weights that may be read to find a way out, in all: about two seconds. Two readings are always allowed."""
LIGHT, LARGEST = 1 << 24, 1 << 29
"""Bytes of weights between which a part is first read without them (`Split.core`): below, nothing is gained; above, the
reader refuses such large computed constants."""


class _Taken(NamedTuple):
    """A file in two, of which the reader has taken the cores' part."""

    found: Model
    host: onnx.ModelProto
    computes: bool
    """Whether cores have a layer with weights."""


def read(
    model: onnx.ModelProto, *, title: str, path: str, constants: Mapping[str, npt.ArrayLike] | None = None,
    cut: str | None = None, host_after: str | Sequence[str] = (),
) -> Model:
    """A model, of which the host computes what cores cannot.

    Args:
        model: the file; it is only read.
        title: name of the network.
        path: the file's, for messages.
        constants: inputs that are known.
        cut: "auto": the largest part that cores can compute is theirs, the rest the host's; None: the host computes
            only what follows the last layer with weights.
        host_after: names of nodes or values: all that depends on them is the host's.

    Warns:
        ModelWarning: with `cut`, layers with weights are the host's; the result has the same text in `Model.warnings`.

    Raises:
        ModelError: cores cannot compute the model, or the host not its part; it says what would help.
    """
    names = [host_after] if isinstance(host_after, str) else list(host_after)
    _check_choice(path, cut, names)
    refused = None
    if not names:
        try:
            return read_onnx(model, name=title, constants=constants)
        except ModelError as error:
            refused = _kept(error, path)
    try:
        parts = Split(model, constants)
    except Exception as error:  # a damaged model, of which the reader tells more
        if refused is None:
            read_onnx(model, name=title, constants=constants)
        raise refused or ModelError(path, "host_after", "a valid model", str(error), "Export it again.") from error
    if names:
        parts.host = _depending(parts, names, path)

    def cores(proto: onnx.ModelProto) -> Model:
        return read_onnx(proto, name=title)

    taken = _take(parts, refused, cores, weights=cut is not None)
    if not isinstance(taken, _Taken):
        raise _refusal(parts, taken, refused, names, cores)
    if cut is not None and not taken.computes and refused is not None:
        raise _refusal(parts, None, refused, names, cores)
    part = prepared(taken.host, taken.found)
    choice: dict[str, Any] = {"host_after": names} if names else {"cut": cut} if cut else {}
    taken.found.host = planned(part, taken.found, parts.dynamic, choice)
    taken.found.on_host = kinds(taken.host)
    if cut is not None and (layers := parts.learned(parts.host)):
        text = _told(title, parts, min(parts.host), layers, taken.found.on_host, part.work)
        warnings.warn(text, ModelWarning, stacklevel=3)
        taken.found.warnings += (text,)
    return taken.found


def _take(parts: Split, refused: ModelError | None, read: Read, *, weights: bool, trial: bool = False
          ) -> _Taken | ModelError | None:
    """Assign what is refused to the host until cores can have the rest; the refusal that cannot be assigned; or None if
    nothing is left for the cores.

    Args:
        refused: of the whole; None: nothing was read yet.
        weights: whether layers with learned weights may be the host's.
        trial: only to find out: the result need not have the file's weights, and there is an end to the search.
    """
    error = refused
    large = sum(parts.known[name].ByteSize() for name in parts.weights)
    light = LIGHT < large < LARGEST
    others = sum(tensor.ByteSize() for tensor in parts.known.values()) - large * light
    for done in count():
        if error is not None and not parts.cut(error.violation.layer, weights=weights):
            return error
        if trial and done == max(2, PROBED // max(others, 1)):
            return error
        try:
            if light and not trial:
                _read_core(parts, read, light=True)  # and forget it
            taken = _read_core(parts, read, light=light and trial)
        except ModelError as again:
            error = _kept(again)
        else:
            return taken
    raise AssertionError


def _read_core(parts: Split, read: Read, *, light: bool) -> _Taken | None:
    core = parts.core(light=light)
    if core is None:
        return None
    calls = functions(core)
    computes = any(learned(item, calls) for item in core.graph.node)
    return _Taken(read(core), parts.rest(), computes)


def _kept(error: ModelError, path: str = "") -> ModelError:
    """An error without what its frames hold, all weights above all; of the file where it is about the whole."""
    traceback.clear_frames(error.__traceback__)
    told = error.violation
    if path and told.rule == "ONNX checker":
        return ModelError(path, told.rule, told.needed, told.available, told.help)
    return error


# -- the user's choice ---------------------------------------------------------------------------


def _check_choice(path: str, cut: Any, names: Sequence[Any]) -> None:
    if cut not in (None, AUTO):
        raise ModelError(path, "cut", f'"{AUTO}", or none', repr(cut), "Name the node behind which the host takes over "
                         "by host_after.")
    if cut and names:
        raise ModelError(path, "cut", "one of cut and host_after", "both", "Leave cut or host_after out.")
    for name in names:
        if not isinstance(name, str):
            raise ModelError(path, "host_after", "names of nodes", repr(name), "Give text, or a list of texts.")


def _depending(parts: Split, names: Sequence[str], path: str) -> set[int]:
    """What depends on nodes, or on values, of these names.

    Raises:
        ModelError: there is no such name, or nothing depends on it.
    """
    for name in names:
        if name not in parts.names and name not in parts.varies and name not in parts.maker:
            known = dict.fromkeys((*parts.names, *parts.maker))
            near = difflib.get_close_matches(name, known, 3, 0.5) or parts.names[-3:]
            raise ModelError(path, "host_after", "the name of a node or of a value", f"'{name}', which there is not",
                             f"Names that are like it: {', '.join(near)}.")
        if not parts.after([name]):
            raise ModelError(name, "host_after", "a node on which others depend", "one of the last",
                             "Leave host_after out, or name an earlier node.")
    return parts.after(names)


def _told(title: str, parts: Split, first: int, layers: Sequence[int], names: tuple[str, ...], done: Work) -> str:
    weights = f"'{parts.names[layers[0]]}'" + f" and {len(layers) - 1} more" * (len(layers) > 1)
    return (f"{title}: cores cannot compute layer '{parts.names[first]}' ({parts.nodes[first].op_type}). The host "
            f"computes it in float, and all that depends on it, with learned weights in {weights}: "
            f"{listed(names)} ({done}).")


# -- refusals, and ways out of them ----------------------------------------------------------------


def _refusal(parts: Split, error: ModelError | None, first: ModelError | None, names: Sequence[str],
             read: Read) -> ModelError:
    """A refusal with what would help.

    Args:
        error: where the search ended; None: nothing is left for the cores.
        first: of the whole file, if it was read.
        names: the user's `host_after`.
    """
    if error is None:
        if first is None:
            return ModelError(", ".join(names), "host_after", "a layer in front of it, for the cores", "none",
                              "Name a later node.")
        told, more = first.violation, "No layer with weights comes before it, which the cores could compute."
    elif not parts.behind:
        return first or error
    else:
        told, (refused, layer) = error.violation, parts.behind
        kind = _operator(parts, layer)
        more = (f"It has learned weights ({kind}), which the host computes only if you say so." if layer == refused else
                "The host computes only what follows the last layer; behind this comes layer "
                f"'{parts.names[layer]}' ({kind}).") + _way_out(parts, error, names, read)
    return ModelError(told.layer, told.rule, told.needed, told.available, f"{told.help} {more}")


def _operator(parts: Split, node: int) -> str:
    """A node's operator, and which within it has the learned weights."""
    own, kind = parts.nodes[node].op_type, learned(parts.nodes[node], parts.functions)
    return own if own == kind else f"{own}, with {kind} in it"


def _way_out(parts: Split, error: ModelError, names: Sequence[str], read: Read) -> str:
    """The line that would take the model, tried as far as that is quick; empty: there is none."""
    trial = parts.copy()
    taken = _take(trial, error, read, weights=True, trial=True)
    if not isinstance(taken, _Taken) or not taken.computes:
        return ""
    try:
        part = prepared(taken.host, taken.found)
        if part.work.multiplications <= TRIED:
            planned(part, taken.found, trial.dynamic, {})
    except ModelError as why:
        return f" Nor can the host compute it: {why}"
    done, after = part.work, trial.before(names)
    if after is not None:
        again = parts.copy()
        again.host = again.after(after)
        if again.host != trial.host:  # what depends on the node before is more than on the refused one
            other = _take(again, None, read, weights=False, trial=True)
            found = _work(other)
            done, after = (done, None) if found is None else (found, after)
    choice = {"cut": AUTO} if after is None else {"host_after": after}
    return f" To let the host compute it, and all that depends on it ({done}): {line(choice)}."


def _work(taken: _Taken | ModelError | None) -> Work | None:
    """The host's, if the file can be taken so and leaves the cores a layer."""
    try:
        return prepared(taken.host, taken.found).work if isinstance(taken, _Taken) and taken.computes else None
    except ModelError:
        return None


def line(choice: Mapping[str, Any]) -> str:
    """How to choose the host's part, in Python and on the command line."""
    if "cut" in choice:
        return f'load(..., cut="{choice["cut"]}"), or --cut {choice["cut"]}'
    names = list(choice["host_after"])
    given = json.dumps(names[0] if len(names) == 1 else names, ensure_ascii=False)
    return f"load(..., host_after={given}), or {' '.join(f'--host-after {shlex.quote(name)}' for name in names)}"
