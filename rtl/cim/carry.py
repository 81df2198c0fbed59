"""What goes from column to column: carries, and bits that every column of a group must know.

Both are Kogge-Stone trees: a step for each power of two of columns, cut at the borders of groups. The carries of the
macro run from left to right in even rows, and back in odd ones (Chauvaux et al., arXiv 2410.23082, figure 3); a chain of
columns that may run in both ways is a combinational loop for tools. So there is one chain, which runs one way; in odd
rows what goes in and what comes out are turned round.
"""

from collections.abc import Sequence

from amaranth import Cat, Const, Module, Mux, Signal, Value


def steps(columns: int) -> list[int]:
    """Distances that the trees bridge, one step each."""
    return [1 << step for step in range((columns - 1).bit_length())]


def turned(value: Value, turn: Value) -> Value:
    """The columns, or if `turn` the columns from the last one to the first."""
    return Mux(turn, value[::-1], value)


def carries(m: Module, generate: Value, propagate: Value) -> Value:
    """The carry out of each column, of a chain from the lowest one on.

    Args:
        generate, propagate: of each column. Where a chain begins, `generate` has the carry in, and `propagate` is 0.
    """
    columns = len(generate)
    for distance in steps(columns):
        before_generate, before_propagate = generate, propagate
        generate, propagate = (Signal(columns, name=f"{name}_{distance}") for name in ("generate", "propagate"))
        m.d.comb += [
            generate.eq(before_generate | (before_propagate & (before_generate << distance)[:columns])),
            propagate.eq(before_propagate & (before_propagate << distance)[:columns]),
        ]
    return generate


def reaches(m: Module, rights: Value) -> list[Value]:
    """For each of `steps`: of each column, if the column so far to its right is of the same group.

    Args:
        rights: each column, if it is the right end of its group.
    """
    found: list[Value] = []
    for distance in steps(len(rights)):
        reach = Signal(len(rights), name=f"reach_{distance}")
        m.d.comb += reach.eq(found[-1] & (found[-1] >> (distance // 2)) if found else
                             Cat(~rights[:-1], Const(0, 1)))
        found.append(reach)
    return found


def spread(m: Module, seeds: Value, reached: Sequence[Value], name: str) -> Value:
    """Bits of single columns in all columns of their groups.

    Args:
        seeds: at most one column of each group; which one does not matter. reached: of `reaches`.
        name: of the signals.
    """
    columns = len(seeds)
    for distance, reach in zip(steps(columns), reached, strict=True):
        before, seeds = seeds, Signal(columns, name=f"{name}_{distance}")
        m.d.comb += seeds.eq(before | (reach & (before >> distance)) | ((reach & before) << distance)[:columns])
    return seeds
