"""Memory images with flipped bits: does the core stay sane?

    python -m studies.flipped_bits [--images 1000] [--seed 1] [--bound CYCLES] [--unguarded] [--json]

Takes images of two small networks, flips one to three random bits of their connectivity words (geometry, population,
edge, axon, parameter and table words; value tables, weights and states are data and cannot lead astray), loads each
into the compiled core, sends a frame as a host that follows the rules, and stops the core. Says of each kind of word
how many frames ended, which waited (STATUS tells for what), which were still busy after the bound, and how many images
had words changed outside of the states of all populations. Then loads the good image into the same core and runs the
frame again: all events must come out as at first, in the same cycles.
"""

import argparse
import dataclasses
import json
import subprocess
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from golden.config import CoreConfig
from golden.core import Core
from golden.host import encode, run_frame
from golden.registers import Status, counters
from golden.types import Words
from golden.words import EventKind, layouts
from synapress.engines import verilated
from synapress.mapper import Image, compile_network, value_table
from synapress.mapper.network.layer import Evaluation
from synapress.mapper.network.network import Network
from synapress.zoo.digits.network import digits_network

HARNESS = Path(__file__).with_suffix(".cpp")
CONNECTIVITY = ("geometry words", "population words", "edge descriptors", "axons", "parameters", "tables")
"""Categories of an image's regions whose bits are flipped."""
ERRORS = ("unknown_id", "unknown_channel", "address_error", "protocol_error")
ENDED, INCOMPLETE, WAITS, BUSY = "ended", "idle, incomplete", "waits", "busy"
OUTCOMES = (ENDED, INCOMPLETE, WAITS, BUSY)
"""What becomes of a frame: all ENDs and credits came; the core is idle without them; STATUS says that a population
waits; the bound is over."""


@dataclass(frozen=True, kw_only=True)
class Flip:
    """One flipped bit: the category of its word, the word's address, the bit."""

    category: str
    address: int
    bit: int


@dataclass(frozen=True, kw_only=True)
class Result:
    """What became of one image; `outside`: words changed outside of all states; `exact`: the good frame afterwards."""

    flips: tuple[Flip, ...]
    outcome: str
    cycles: int
    changed: tuple[int, ...]
    """Addresses of all words that were not as loaded when the core had been stopped."""
    outside: int
    exact: bool
    counters: dict[str, int]

    @property
    def counted(self) -> bool:
        """A counter of errors is not 0."""
        return any(self.counters[name] for name in ERRORS)


def mixed_network() -> Network:
    """Grouped, depthwise, strided and dense layers, a maximum, a product, a value table and spiking neurons."""
    rng = np.random.default_rng(5)

    def weights(*shape: int) -> np.ndarray:
        return rng.integers(-90, 100, shape)

    network = Network("mixed")
    source = network.input("in", (4, 7, 6))
    scale: Evaluation = {"multiplier": 300, "shift": 14}
    sigmoid = value_table(lambda v: 1 / (1 + np.exp(-v)), scale=1 / 64, result_scale=1 / 255)
    bias = rng.integers(0, 50, 12)
    first = network.conv("conv", source, weights(12, 4, 3, 3), padding=[1, 1, 1, 1], bias=bias, **scale)
    grouped = network.conv("grouped", first, weights(12, 3, 3, 3), groups=4, **scale)
    depthwise = network.depthwise("depthwise", grouped, weights(12, 2, 2), **scale)
    gate = network.conv("gate", depthwise, weights(12, 12, 1, 1), multiplier=300, shift=14, table=sigmoid)
    product = network.multiply("product", gate, depthwise, multiplier=300, shift=15)
    pooled = network.max_pool("pool", product, (2, 2), stride=2)
    spiking = network.lif("lif", [network.branch(pooled, weights(6, 12, 1, 1))], threshold=200, bias=20)
    network.output(network.dense("dense", spiking, weights(5, int(np.prod(network.shape(spiking)))), **scale))
    return network


def frame_of(image: Image) -> Words:
    """One frame of random values in one place of seven."""
    rng, entries = np.random.default_rng(9), image.manifest["inputs"]
    maps = [rng.integers(0, 256, entry["shape"]) * (rng.random(entry["shape"]) < 0.15) for entry in entries]
    return encode([(values, entry["axons"]) for values, entry in zip(maps, entries, strict=True)], image.config)


def choose(image: Image, rng: np.random.Generator) -> tuple[Flip, ...]:
    """One to three flips, each of any category and any word of it."""
    regions = [region for region in image.manifest["regions"] if region["category"] in CONNECTIVITY]
    categories = sorted({region["category"] for region in regions})
    chosen = set()
    for _ in range(int(rng.integers(1, 4))):
        category = str(rng.choice(categories))
        words = [region["first"] + i for region in regions if region["category"] == category
                 for i in range(region["words"])]
        chosen.add((category, int(rng.choice(words)), int(rng.integers(64))))
    return tuple(Flip(category=category, address=address, bit=bit) for category, address, bit in sorted(chosen))


def outside_states(image: Image, addresses: Sequence[int]) -> int:
    """How many of the words are no population's states."""
    states = {entry["state_base"] + i for entry in image.manifest["population_table"]
              for i in range(entry["state_words"])}
    return sum(address not in states for address in addresses)


def survey(image: Image, images: Sequence[tuple[Flip, ...]], bound: int) -> list[Result]:
    """Run all images in one process of the compiled core.

    Raises:
        AssertionError: the good image's events are not golden's.
        subprocess.CalledProcessError: the core does not start or stop, or the simulator fails.
    """
    config, frame = image.config, frame_of(image)
    limbs = config.word_bits // 64
    memory = np.zeros((config.memory_words, limbs), np.uint64)
    memory[:len(image.parts)] = image.parts
    with tempfile.TemporaryDirectory() as temporary:
        given, found = Path(temporary) / "input", Path(temporary) / "output"
        with given.open("wb") as file:
            def put(*values: int) -> None:
                file.write(np.array(values, np.uint64).tobytes())
            put(image.edges, image.populations, bound, memory.size)
            file.write(memory.tobytes())
            put(len(frame), *frame.tolist(), len(images))
            for flips in images:
                damaged = memory.copy()
                for flip in flips:
                    damaged[flip.address, 0] ^= np.uint64(1 << flip.bit)
                changed = sorted({flip.address for flip in flips})
                put(len(changed) * (1 + limbs))
                for address in changed:
                    put(address, *damaged[address].tolist())
        subprocess.run([str(verilated.build(config, harness=HARNESS)), str(given), str(found)], check=True)
        words = iter(np.fromfile(found, np.uint64).tolist())
    return _results(image, frame, images, words)


def _results(image: Image, frame: Words, images: Sequence[tuple[Flip, ...]], words) -> list[Result]:  # type: ignore[no-untyped-def]
    """From what the C++ host wrote, in its order."""
    def take(count: int) -> list[int]:
        return [next(words) for _ in range(count)]

    _, _, ends, credits, count = take(5)
    kinds = layouts(image.config).event
    events = np.array(take(count), np.uint64)
    answers = events[kinds.unpack_array(events)["kind"] != EventKind.CREDIT]
    golden = run_frame(Core(image.config, image.parts, edges=image.edges, populations=image.populations), frame)
    assert np.array_equal(np.sort(answers), np.sort(golden)), "the good image's events are not golden's"
    names, results = counters(image.config), []
    for flips in images:
        quiet, status, cycles, its_ends, its_credits, exact = take(6)
        counted = dict(zip(names, take(len(names)), strict=True))
        changed = take(take(1)[0])
        outcome = (BUSY if not quiet else WAITS if status & (Status.PARTIAL | Status.UNPAID)
                   else ENDED if (its_ends, its_credits) == (ends, credits) else INCOMPLETE)
        results.append(Result(flips=flips, outcome=outcome, cycles=cycles, changed=tuple(changed),
                              outside=outside_states(image, changed), exact=bool(exact), counters=counted))
    return results


def networks(config: CoreConfig) -> list[Image]:
    """The images of the study."""
    return [compile_network(network, config)[1] for network in (digits_network(), mixed_network())]


def study(config: CoreConfig, count: int, seed: int, bound: int) -> list[Result]:
    """So many images, half of them of each network."""
    results: list[Result] = []
    for number, image in enumerate(networks(config)):
        rng = np.random.default_rng([seed, number])
        results += survey(image, [choose(image, rng) for _ in range((count + 1 - number) // 2)], bound)
    return results


def table(results: Sequence[Result]) -> list[str]:
    """Lines of the report: per category of the first flipped word, and in all."""
    heads = ("flipped first", "images", *OUTCOMES, "counted", "outside", "not exact", "most cycles")
    rows = []
    for category in (*CONNECTIVITY, "all"):
        mine = [result for result in results if category in ("all", result.flips[0].category)]
        outcomes = Counter(result.outcome for result in mine)
        rows.append((category, len(mine), *(outcomes[name] for name in OUTCOMES), sum(r.counted for r in mine),
                     sum(r.outside > 0 for r in mine), sum(not r.exact for r in mine),
                     max((r.cycles for r in mine), default=0)))
    return ["  ".join(f"{cell:>{max(16, len(head))}}" for cell, head in zip(row, heads, strict=True))
            for row in (heads, *rows)]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m studies.flipped_bits", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--bound", type=int, default=200_000, help="cycles after which a frame counts as hung")
    parser.add_argument("--unguarded", action="store_true", help="the core without `guard_states`")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    arguments = parser.parse_args()
    config = dataclasses.replace(CoreConfig.preset("fpga_small"), guard_states=int(not arguments.unguarded))
    results = study(config, arguments.images, arguments.seed, arguments.bound)
    if arguments.json:
        print(json.dumps([dataclasses.asdict(result) for result in results], indent=1))
        return
    print("\n".join(table(results)))


if __name__ == "__main__":
    main()
