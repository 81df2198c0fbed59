"""Changes of the reader of Lava's networks, of its equations, and of what saves their models."""

from studies.mutants import Mutation

LOIHI = "tests/mapper/importers/lava/test_lava.py::test_random_networks_fire_as_loihi"
TYPES = "tests/mapper/importers/lava/test_lava.py::test_types_of_neurons"
TERMS = "tests/mapper/importers/lava/test_lava.py::test_weights_of_nine_bits_take_two_branches"
WIDE = "tests/mapper/importers/lava/test_lava.py::test_wide_potentials"
REFUSED = "tests/mapper/importers/lava/test_lava.py::test_refusals"
SAVED = "tests/mapper/importers/lava/test_lava.py::test_a_path_compiles_and_a_saved_model_keeps_its_second_words"
RECORDED = "tests/cli/test_verify.py::test_how_late_a_recording_is"
_LAYERS, _READER, _EQUATIONS = (f"synapress/mapper/importers/lava/{name}.py" for name in (
    "layers", "reader", "equations"))

LAVA_WHERE: dict[str, list[str]] = {test: [] for test in (LOIHI, TYPES, TERMS, REFUSED, SAVED, RECORDED)} | {
    WIDE: ["-k", "fast"]}
"""Cases of the tests that are enough."""

LAVA_MUTATIONS = (
    Mutation("lava: neurons fire at their threshold", _READER, "(neurons.threshold << FRACTION_LOG2) + 1",
             "neurons.threshold << FRACTION_LOG2", LOIHI),
    Mutation("lava: leaks round half to even", _READER, 'rounding="zero"', 'rounding="even"', LOIHI),
    Mutation("lava: a bias counts as a weight's fraction", _READER, "layer.bias << FRACTION_LOG2", "layer.bias", LOIHI),
    Mutation("lava: currents that last are given up", _READER, "(not neurons.keeps_currents and threshold.max()",
             "(threshold.max()", LOIHI),
    Mutation("lava: currents of 16 bits are sent as 15", _READER, "saturation=Saturation.FULL))]", "))]", WIDE),
    Mutation("lava: a threshold beyond its field", _READER, "(1 << 13) - 1", "(1 << 14) - 1", TYPES),
    Mutation("lava: odd weights of 9 bits lose a bit", _READER, "if odd.any() else", "if 0 else", TERMS),
    Mutation("lava: rows and columns of kernels are exchanged", _LAYERS, "weights = weights.transpose(0, 1, 3, 2)\n",
             "weights = weights\n", LOIHI),
    Mutation("lava: a dense layer reads rows as columns", _LAYERS,
             "reshape(shape[0], depth, height, width).transpose(0, 1, 3, 2)", "reshape(shape[0], depth, width, height)",
             LOIHI),
    Mutation("lava: pools leave their last windows out", _LAYERS, 'if kind == "pool":  #', "if 0:  #", LOIHI),
    Mutation("lava: what nobody reads is ignored", _LAYERS, "if key not in known:", "if 0:", REFUSED),
    Mutation("lava: delays are ignored", _LAYERS, 'group.numbers("delay").any():', "0:", REFUSED),
    Mutation("lava: the equations reset to what is left", _EQUATIONS, "np.where(fires, 0, potential)",
             "np.where(fires, potential - threshold, potential)", LOIHI),
    Mutation("lava: a saved model loses its second words", "synapress/model_files.py",
             'if second else {})', "if 0 else {})", SAVED),
    Mutation("lava: a recording must begin at once", "synapress/cli/verify.py", "min(LATE,", "min(0,", RECORDED),
)
