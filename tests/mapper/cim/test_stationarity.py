"""What stays: the published totals, and the exact optimum against all possibilities."""

import itertools

import numpy as np
import pytest

from golden.errors import ConfigError
from synapress.mapper.cim.stationarity import (
    KILOBYTE,
    MACRO_BITS,
    PUBLISHED,
    Choice,
    Kind,
    Layer,
    best,
    hybrid_least,
    hybrid_most,
    items,
    ordered,
    output_stationary,
    resolved,
    weight_stationary,
)


def layer(name: str = "one", **sizes: int) -> Layer:
    return Layer(**{"name": name, "inputs": 2, "outputs": 4, "kernel": 3, "height": 5} | sizes)  # type: ignore[arg-type]


def test_the_published_layers() -> None:
    """Operands of each layer, and the four totals, in kB (figure 4 of the paper)."""
    kilobytes = [(each.bits(Kind.WEIGHTS) / KILOBYTE, each.bits(Kind.POTENTIALS) / KILOBYTE) for each in PUBLISHED]
    assert kilobytes == [(.125, 96), (2.25, 96), (4.5, 48), (9, 12), (18, 6), (36, 1.5)]
    totals = {choice.name: choice.kept() / KILOBYTE for choice in (
        made(PUBLISHED) for made in (weight_stationary, output_stationary, hybrid_least, hybrid_most))}
    assert totals == {"WS": 69.875, "OS": 259.5, "HS-min": 23.375, "HS-max": 306.0}
    assert round(sum(each.synapses for each in PUBLISHED) * .15 / 1e6, 2) == 2.82


def test_what_does_not_stay_is_moved() -> None:
    least = hybrid_least(PUBLISHED)
    assert [least.of(at) for at in range(6)] == ["weights"] * 4 + ["potentials"] * 2
    assert [least.moved(at) / KILOBYTE for at in range(6)] == [192, 192, 96, 24, 18, 36]  # potentials there and back
    assert least.moved() == sum(least.moved(at) for at in range(6))
    assert least.kept() == sum(least.kept(at) for at in range(6))
    everything = Choice("all", PUBLISHED, frozenset(items(PUBLISHED)))
    assert everything.moved() == 0 and everything.of(0) == "both" and best(PUBLISHED, 0).of(0) == "none"


def test_equal_operands_keep_the_weights() -> None:
    even = (layer(inputs=4, outputs=4, kernel=1, height=2, weight_bits=8, potential_bits=8),)
    assert hybrid_least(even).of(0) == hybrid_most(even).of(0) == "weights"


def order(choice: Choice) -> tuple[int, int, list[bool]]:
    """What is better comes first."""
    return choice.moved(), choice.kept(), [item not in choice.stays for item in items(choice.layers)]


def test_the_optimum_is_that_of_all_possibilities(seed: int) -> None:
    random = np.random.default_rng(seed)
    ties = 0
    for _ in range(100):
        count = int(random.integers(1, 4))
        layers = [layer(f"{at}", inputs=int(random.integers(1, 4)), outputs=int(random.integers(1, 4)),
                        kernel=int(random.integers(1, 3)), height=int(random.integers(1, 4)),
                        weight_bits=int(random.integers(1, 4)), potential_bits=int(random.integers(1, 4)))
                  for at in range(count)]
        every = items(layers)
        allowed = every if random.random() < .7 else tuple(item for item in every if item[1] is Kind.WEIGHTS)
        choices = [Choice("", tuple(layers), frozenset(some)) for size in range(len(allowed) + 1)
                   for some in itertools.combinations(allowed, size)]
        whole = sum(layers[at].bits(kind) for at, kind in every)
        for capacity in (0, *random.integers(0, whole + 1, 3).tolist(), whole):
            fit = sorted((choice for choice in choices if choice.kept() <= capacity), key=order)
            assert best(layers, capacity, allowed).stays == fit[0].stays
            assert [choice.stays for choice in ordered(layers, capacity, allowed)] == [choice.stays for choice in fit]
            ties += len(fit) > 1 and order(fit[0])[:2] == order(fit[1])[:2]
    assert ties  # the last rule decides, too


def test_sixteen_macros_and_many_layers() -> None:
    chosen = best(PUBLISHED, 16 * MACRO_BITS)
    assert (chosen.kept() / KILOBYTE, chosen.moved() / KILOBYTE) == (255.875, 79.5)
    many = best(PUBLISHED * 4, 64 * MACRO_BITS)  # 48 operands
    assert many.moved() <= 4 * chosen.moved() and many.kept() <= 64 * MACRO_BITS


def test_other_resolutions() -> None:
    low = resolved(PUBLISHED, 6, 11)
    assert round((weight_stationary(low).kept() + output_stationary(low).kept()) / KILOBYTE, 1) == 290.3
    high = resolved(PUBLISHED, 8, 16)
    assert round((weight_stationary(high).kept() + output_stationary(high).kept()) / KILOBYTE, 1) == 415.9


@pytest.mark.parametrize("field", ["inputs", "weight_bits", "potential_bits"])
def test_what_is_refused(field: str) -> None:
    with pytest.raises(ConfigError, match=f"'one': {field} = 0 is not a number from 1 up"):
        layer(**{field: 0})
    with pytest.raises(ConfigError, match="capacity of -1 bits is negative"):
        best(PUBLISHED, -1)
