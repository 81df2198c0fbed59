"""The learner's compiled Verilog: a process holds it and its memories, and takes phases of requests by a pipe."""

import subprocess
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from golden.errors import ToolError
from golden.synapse.organisations import interface
from golden.synapse.organisations.convolution import Convolution
from golden.synapse.organisations.interface import KINDS, Pass
from golden.types import Array, IntArray, Words
from rtl.synapse.learning.learner import Learner
from synapress.engines.cycle_model import cycle_model
from synapress.engines.verilated import compiled, limbs
from synapress.learning.learners import PASSES, SIZES, Progress, first_random, matrix, packed, rule
from synapress.learning.on_chip import Run, Settings, learn

HARNESS = Path(__file__).with_name("learner.cpp")
COMMON = tuple(Path(__file__).parents[1] / "engines" / name for name in ("words.h", "reader.h"))
LIMIT = 100_000
"""Cycles in which no request is taken, or the last one is not done, after which the hardware counts as hung."""
_PHASE, _WEIGHTS = 1, 2
_COUNTED = (*KINDS, "errors", "beyond", "cycles")


@cache
def build(organisation: str, directory: Path = Path("build/simulate")) -> Path:
    """Compile the learner with its host: once for all layers that an organisation holds.

    Raises:
        ToolError: Verilator or the C++ compiler is missing or failed.
    """
    memory, learner = SIZES.memory, Learner(SIZES, organisation)
    defines = {"WORD_BITS": memory.word_bits, "ADDRESS_BITS": memory.address_bits, "READ_LATENCY": memory.read_latency,
               "REQUEST_BITS": learner.request.payload.shape().size, "KINDS": len(KINDS),
               "LAYER_BITS": learner.layer.shape().size}
    return compiled(cycle_model(learner, "learner"), "learner", HARNESS, COMMON,
                    f"learner_{organisation}", directory, defines=defines)


class Hardware:
    """A layer in the learner's hardware.

    Args:
        stall: probability per cycle that each memory, and the source of requests, waits.
        limit: see LIMIT.

    Raises:
        ToolError: no simulator, or the hardware hangs.
    """

    def __init__(self, organisation: str, weights: IntArray, stored: Array, settings: Settings, number: int, *,
                 stall: float = 0.0, limit: int = LIMIT):
        self._shape = weights.shape
        self._place = packed(organisation, weights, stored, settings)
        self._counts = {name: dict.fromkeys((*_COUNTED, "requests"), 0) for name in PASSES.values()}
        self._process = subprocess.Popen([str(build(organisation))], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=subprocess.PIPE)
        layer = self._place.layer_layout(SIZES.memory).pack(self._place.layer)
        place = self._place
        self._request = (place if isinstance(place, Convolution) else interface).request_layout(SIZES.memory)
        self._put(round(stall * 256), settings.seed + number + 1, limit, len(limbs(layer)), *limbs(layer),
                  rule(settings).word, first_random(settings, number),
                  *(value for words in (place.index_words, place.weight_words)
                    for value in (len(words), *words.tolist())))

    def forward(self, fired: IntArray) -> Array:
        return self._run(Pass.FORWARD, fired, np.ones_like(fired), np.zeros(0, np.int64))

    def update(self, posts: IntArray, errors: Array, traces: Array) -> Array:
        return self._run(Pass.UPDATE, posts, errors, traces)

    def _run(self, walk: int, neurons: IntArray, values: Array, traces: Array) -> Array:
        sums = self._shape[walk == Pass.FORWARD]
        requests = self._request.pack_array({"pass": np.full_like(neurons, walk), "neuron": neurons, "value": values})
        self._put(_PHASE, sums, len(traces), *traces.tolist(), len(requests), *requests.tolist())
        found = self._get(sums + len(_COUNTED))
        counts = self._counts[PASSES[walk]]
        counts["requests"] += len(requests)
        for name, count in zip(_COUNTED, found[sums:].tolist(), strict=True):
            counts[name] += count
        return found[:sums].astype(np.uint32).view(np.int32).astype(np.int64)

    def weights(self) -> Array:
        self._put(_WEIGHTS)
        words = self._get(len(self._place.weight_words) + 1)[:-1]
        return matrix(replace(self._place, weight_words=words))

    def accesses(self) -> dict[str, dict[str, int]]:
        return self._counts

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def _put(self, *values: int) -> None:
        try:
            assert self._process.stdin is not None
            self._process.stdin.write(np.array(values, np.uint64).tobytes())
            self._process.stdin.flush()
        except OSError:
            self._fail()

    def _get(self, count: int) -> Words:
        assert self._process.stdout is not None
        found = self._process.stdout.read(8 * count)
        if len(found) < 8 * count:
            self._fail()
        return np.frombuffer(found, np.uint64)

    def _fail(self) -> None:
        _, said = self._process.communicate()
        raise ToolError(f"simulation of the learner failed: {said.decode().strip() or self._process.returncode}")


def learn_rtl(settings: Settings, organisation: str = "crossbar", *, keep_history: bool = False,
              progress: Progress = None, stall: float = 0.0) -> Run:
    """By the learner's compiled Verilog.

    Args:
        stall: see `Hardware`.

    Raises:
        ConfigError: there is no such organisation.
        ToolError: no simulator, or the hardware hangs.
    """
    made: list[Hardware] = []

    def maker(weights: IntArray, stored: Array, given: Settings, number: int) -> Hardware:
        made.append(Hardware(organisation, weights, stored, given, number, stall=stall))
        return made[-1]

    try:
        return learn(settings, maker, keep_history=keep_history, progress=progress)
    finally:
        for layer in made:
            layer.close()
