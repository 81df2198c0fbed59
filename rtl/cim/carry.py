"""What goes from column to column: carries, and bits that every column of a group must know.

Both are Kogge-Stone trees: a step for each power of two of columns, cut at the borders of groups. The carries of the
macro run from left to right in even rows, and back in odd ones (Chauvaux et al., arXiv 2410.23082, figure 3). A chain
of columns that may run either way is a combinational loop for tools, and one for each way costs twice as much. So there
is one chain, which runs one way; in odd rows what goes in and what comes out are turned round.
"""

from collections.abc import Sequence

from amaranth import Cat, Const, Module, Mux, Signal, Value


def steps(columns: int) -> list[int]:
    """Distances that the trees bridge, one step each."""
    return [1 << step for step in range((columns - 1).bit_length())]


def turned(m: Module, value: Value, turn: Value, name: str) -> Value:
    """The columns, or if `turn` the columns from the last one to the first; `name`: of a signal for them."""
    columns = Signal(len(value), name=name)  # each bit of an expression would be the whole of it
    m.d.comb += columns.eq(value)
    return Mux(turn, columns[::-1], columns)


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
            generate.eq(before_generate | (before_propagate & before_generate.shift_left(distance)[:columns])),
            propagate.eq(before_propagate & before_propagate.shift_left(distance)[:columns]),
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
        m.d.comb += reach.eq(found[-1] & found[-1].shift_right(distance // 2) if found else
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
        right = Signal(columns, name=f"{name}_right_{distance}")
        m.d.comb += [
            right.eq(reach & before),
            seeds.eq(before | (reach & before.shift_right(distance)) | right.shift_left(distance)[:columns]),
        ]
    return seeds
