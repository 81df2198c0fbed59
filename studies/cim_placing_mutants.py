"""Changes of what stays in compute-in-memory arrays, of its accounting and of its energy."""

from studies.mutants import Mutation

_TESTS = "tests/mapper/cim"
OPTIMUM = f"{_TESTS}/test_stationarity.py::test_the_optimum_is_that_of_all_possibilities"
MOVED = f"{_TESTS}/test_stationarity.py::test_what_does_not_stay_is_moved"
FOUND = f"{_TESTS}/test_macros.py::test_every_operand_is_found_again"
WORK = f"{_TESTS}/test_work.py::test_work_is_that_of_loops"
GAINS = f"{_TESTS}/test_work.py::test_the_table_of_gains"
VISITS = f"{_TESTS}/test_streams.py::test_every_visit_is_followed"
COUNTED = "tests/energy/test_cim.py::test_energy_of_counters"
SHAPES = "tests/energy/test_cim.py::test_shapes"

_STAYS, _MACROS, _WORK, _STREAMS, _GAINS = (
    f"synapress/mapper/cim/{name}.py" for name in ("stationarity", "macros", "work", "streams", "gains"))
_ENERGY = "synapress/energy/cim.py"
CIM_PLACING_MUTATIONS = (
    Mutation("what stays: potentials are moved one way", _STAYS, "(1 if kind is Kind.WEIGHTS else 2)", "1", MOVED),
    Mutation("what stays: more is kept for nothing", _STAYS, "if saved > most", "if saved >= most", OPTIMUM),
    Mutation("what stays: of equal choices the last", _STAYS, "-((mask + 1)", "((mask + 1)", OPTIMUM),
    Mutation("what stays: beyond the capacity", _STAYS, "if kept + bits <= capacity:", "if kept <= capacity:", OPTIMUM),
    Mutation("macros: no rows to work in", _MACROS,
             "work = other.rows + shape_of(layer, Kind.POTENTIALS, columns).rows", "work = 0", FOUND),
    Mutation("macros: what is left below reaches into what is left beside", _MACROS,
             "rows=self.rows - rows, columns=columns)", "rows=self.rows - rows)", FOUND),
    Mutation("macros: taps by rows", _MACROS, "mine.transpose(1, 3, 2, 0)", "mine.transpose(1, 2, 3, 0)", FOUND),
    Mutation("macros: rows of all operands before the next ones", _MACROS, "-1).swapaxes(0, 1).reshape(",
             "-1).reshape(", FOUND),
    Mutation("macros: a strip begins with the first operand again", _MACROS, "first += count",
             "first, operands = 0, operands - count", FOUND),
    Mutation("work: a spike resets all blocks", _WORK, "int(part.any(axis=0).sum())",
             "int((frame.fires != 0).any(axis=0).sum())", WORK),
    Mutation("work: a block of few channels is as wide as the others", _WORK,
             "active = rows * width * sum(many * size", "active = rows * width * sum(many * block", WORK),
    Mutation("streams: events by rows", _STREAMS, "np.lexsort((c, y, x))", "np.lexsort((c, x, y))", VISITS),
    Mutation("streams: sums are not stored", _STREAMS, "visit_all(operands, True)", "visit_all(operands, False)",
             VISITS),
    Mutation("streams: the array goes to the next layer with its potentials", _STREAMS, "traffic.flush()", "pass",
             VISITS),
    Mutation("systems: buffers cost nothing", _GAINS, "(DRAM + BUFFER)", "DRAM", GAINS),
    Mutation("energy: idle columns cost nothing", _ENERGY, "inactive * point.column * idle", "0.0", COUNTED),
    Mutation("energy: words of 32 bits", _ENERGY, "for name in MOVED_COUNTERS) * word_bits / 32",
             "for name in MOVED_COUNTERS)", COUNTED),
    Mutation("energy: columns beside a shape are away", _ENERGY, "(active + (COLUMNS - active) * idle)", "active",
             SHAPES),
)
CIM_PLACING_WHERE: dict[str, list[str]] = {mutation.test: [] for mutation in CIM_PLACING_MUTATIONS}
"""These tests have no simulators to choose from."""
