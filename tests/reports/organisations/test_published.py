"""The authors' figures beside ours: what must agree does, and every other residual is told."""

import pytest

from synapress.reports.organisations.published import Cell, Published, published, sheets


@pytest.fixture(scope="module")
def found() -> Published:
    return published()


def off(cell: Cell) -> float:
    assert cell.residual is not None, cell.what
    return abs(cell.residual)


def test_storage_equals_the_formulas(found: Published) -> None:
    """Crossbar, bitmap and compressed rows: mean error of the formulas at most 0.5 %. Kernels of equal bits: none."""
    cells = {cell.what.partition(",")[0]: cell for cell in found.groups["Storage, bits"]}
    for name in ("crossbar", "bitmap", "compressed_rows"):
        assert off(cells[name]) <= 0.005, name
    kernels = found.groups["Storage of kernels that hold as many bits"]
    assert len(kernels) == 20 and max(map(off, kernels)) < 0.005


def test_dense_layers(found: Published) -> None:
    cells = found.groups["784 × 128, forward, µJ"]
    for name in ("crossbar", "bitmap"):
        mine = [cell for cell in cells if cell.what.startswith(name)]
        assert len(mine) > 10 and max(map(off, mine)) < 0.01
    rows = [cell for cell in cells if cell.what.startswith("compressed_rows")]
    assert all((cell.ours is None) == ("beyond the saw" in cell.note) for cell in rows)


def test_crossover_and_ratios(found: Published) -> None:
    crossing, = found.groups["Density from which compressed rows take more energy than a bitmap, 8 bits"]
    assert 0.05 < crossing.published < 0.10 and crossing.ours is not None
    ratios = found.groups["Ratios"]
    assert ratios[0].published == pytest.approx(1.372, abs=0.001) and ratios[0].ours == pytest.approx(1.46, abs=0.01)
    assert [round(cell.published, 3) for cell in ratios[1:3]] == [0.580, 0.296]
    assert all(cell.ours is None and cell.note for cell in ratios[1:])


def test_tables_tell_every_cell(found: Published) -> None:
    made = sheets(found)
    assert [len(sheet.rows) for sheet in made] == [len(cells) for cells in found.groups.values()]
    assert all(cell["residual"] is not None or cell["note"] for cells in found.to_json()["groups"].values()
               for cell in cells)
