"""Files that a benchmark writes: whether they can be written is told before the work begins, which may take hours."""

from argparse import Namespace

from synapress.cli.options import check_output


def check_outputs(given: Namespace) -> None:
    """Those of `--json`, `--figure` and `--checkpoint`, if the benchmark has them.

    Raises:
        ConfigError: one cannot be written.
    """
    for name in ("json", "figure", "checkpoint"):
        if (path := getattr(given, name, None)) is not None:
            check_output(path, *((".png", ".svg") if name == "figure" else (path.suffix,)), option=f"--{name}")
