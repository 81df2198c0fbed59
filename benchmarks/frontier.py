"""Loss against the energy of memory: networks of `benchmarks.learning` in each memory organisation.

    python -m benchmarks.frontier [LEARNED.json] [--model MODEL] [--json FILE] [--figure FILE]
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from benchmarks.outputs import check_outputs
from golden.errors import ConfigError, SynapressError
from golden.files import write
from synapress.energy.memory import MODELS, memory_model
from synapress.reports.organisations.frontier import frontier, picture_parts, sheet
from synapress.reports.organisations.pictures import frontier_picture
from synapress.reports.tables import show

LEARNED = Path("build/benchmarks/learning.json")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("learned", nargs="?", type=Path, default=LEARNED,
                        help=f"what benchmarks.learning has written with --json; default {LEARNED}")
    parser.add_argument("--model", default="cacti22", help=f"of the energy: {', '.join(MODELS)}; default cacti22")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--figure", type=Path)
    given, console = parser.parse_args(arguments), Console()
    try:
        check_outputs(given)
        model = memory_model(given.model)
        try:
            trained = json.loads(given.learned.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise ConfigError(f"'{given.learned}' is no readable JSON file: {error}; python -m benchmarks.learning "
                              f"--json {given.learned} writes it") from error
        with console.status("counting accesses") as status:
            points = frontier(trained, model, progress=status.update)
        show([sheet(points, model)], console)
        if given.json:
            write(given.json, json.dumps({"model": model.name, "source": model.source, "epochs": trained["epochs"],
                                          "points": [asdict(point) for point in points]}, indent=1) + "\n")
        if given.figure:
            frontier_picture(given.figure, **picture_parts(points, model, trained["silence"]))
    except SynapressError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
