"""What all tests share: the seed of randomized tests, and the simulators."""

import os
import random
from pathlib import Path

import pytest

from synapress.tools import simulator as launch
from tests.helpers.ways_out import WaysOut


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, default=None,
                     help="seed of all randomized tests (default: 1; 0 draws a new one and prints it)")


def pytest_configure(config: pytest.Config) -> None:
    _keep_bytecode()
    ways_out = WaysOut()
    ways_out.watch()
    config.pluginmanager.register(ways_out)
    worker = getattr(config, "workerinput", None)
    if worker is not None:
        config.stash[_SEED] = worker["seed"]
        return
    given = config.getoption("--seed")
    config.stash[_SEED] = 1 if given is None else given or random.SystemRandom().randrange(1, 1 << 31)


_SEED = pytest.StashKey[int]()


def _keep_bytecode() -> None:
    """Commands and benches are some hundred Pythons: bytecode that may not lie beside the sources lies in build/."""
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
        os.environ["PYTHONPYCACHEPREFIX"] = str(Path(__file__).resolve().parents[1] / "build" / "bytecode")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node) -> None:  # type: ignore[no-untyped-def]
    """Every process of a parallel run has the same seed."""
    node.workerinput["seed"] = node.config.stash[_SEED]


def pytest_report_header(config: pytest.Config) -> list[str]:
    lines = [f"seed: {config.stash[_SEED]} (again with --seed {config.stash[_SEED]})",
             f"simulators: {', '.join(launch.available()) or 'none'}"]
    for simulator in launch.SIMULATORS:
        if (reason := launch.missing(simulator)) is not None:
            what = "FAIL" if simulator in launch.required() else "are skipped"
            lines.append(f"WARNING: {reason}; its tests {what}")
    return lines


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Icarus, which knows X, runs the first configuration of each test; the others are long, and Verilator's.

    The benches are the same, and so are their results but for X: repeating all configurations took a fifth of the time.
    """
    seen: set[str] = set()
    for item in items:
        case = getattr(item, "callspec", None)
        if case is not None and case.params.get("simulator") == "icarus":
            function = item.nodeid.partition("[")[0]
            if function in seen:
                item.add_marker(pytest.mark.long)
            elif not item.get_closest_marker("long"):
                seen.add(function)


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """The seed of this run: `--seed`, or 1."""
    return request.config.stash[_SEED]


@pytest.fixture(params=launch.SIMULATORS)
def simulator(request: pytest.FixtureRequest) -> str:
    """Each simulator in turn. A missing one fails where it is required (Verilator; in CI all), else it is skipped."""
    reason = launch.missing(request.param)
    if reason is not None:
        if request.param in launch.required():
            pytest.fail(reason)
        pytest.skip(reason)
    return request.param
