"""The authors' figures beside ours: what must agree does, and every other residual is told."""

import pytest

from synapress.reports.cells import Cell
from synapress.reports.organisations.published import Published, published, sheets


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


def test_crossover(found: Published) -> None:
    crossing, = found.groups["Density from which compressed rows take more energy than a bitmap, 8 bits"]
    assert 0.05 < crossing.published < 0.10 and crossing.ours is not None


def test_dense_layers_backward(found: Published) -> None:
    """Crossbars, and bitmaps whose weights are read at every place, by counts and the forward figures' saw alone."""
    cells = found.groups["784 × 128, backward and update, µJ, by this project's walks"]
    crossbars = [off(cell) for cell in cells if cell.what.startswith("crossbar")]
    assert len(crossbars) == 11 and sum(crossbars) / 11 < 0.03 and max(crossbars) < 0.07
    theirs = found.groups["784 × 128, backward and update, µJ, by the authors' walks"]
    bitmaps = [off(cell) for cell in theirs if cell.what.startswith("bitmap")]
    assert len(bitmaps) == 40 and sum(bitmaps) / 40 < 0.03 and max(bitmaps) < 0.12
    ours = [cell.residual or 0 for cell in cells if cell.what.startswith("bitmap")]
    assert max(ours) < 0.12 and sum(ours) / 40 < -0.15
    assert all((cell.ours is None) == ("beyond the saw" in cell.note) for cell in (*cells, *theirs))


def test_times(found: Published) -> None:
    """The shares that the authors' times have, in ns; ours give one cycle for each place or synapse."""
    dense, kernels = (found.groups[f"Times in those of a {what}, 8 bits"] for what in (
        "crossbar's place forward, 784 × 128", "functional synapse forward, convolutions"))
    wanted = [10.81, 21.97, 6.54, 4.26, 16.70, 5.57, 18.37, 9.91, 30.54]
    assert [float(cell.note.split()[1]) for cell in dense] == pytest.approx(wanted, abs=0.01)
    wanted = [20.72, 48.65, 34.52, 88.68]
    assert [float(cell.note.split()[1]) for cell in kernels][:4] == pytest.approx(wanted, abs=0.01)
    ours = {cell.what: cell.ours for cell in (*dense, *kernels)}
    assert ours["crossbar, backward and update, for each place"] == pytest.approx(1, abs=0.03)
    assert ours["compressed_rows, backward and update, for each weight that is not zero"] == pytest.approx(1, abs=0.03)
    assert ours["bitmap, backward and update, for each place"] == pytest.approx(2, abs=0.05)
    assert ours["functional, backward and update, for each synapse"] == pytest.approx(1, abs=0.05)


def test_ratios(found: Published) -> None:
    network, kernels = found.groups["Ratios"][:4], found.groups["Ratios"][4:]
    assert all(cell.published == pytest.approx(1.372, abs=0.001) for cell in network)
    assert [cell.ours for cell in network[:3]] == pytest.approx([1.323, 1.464, 1.452], abs=0.002)
    assert [round(cell.published, 3) for cell in kernels] == [
        0.580, 0.580, 0.296, 0.296, 0.577, 0.420, 0.704, 1.059, 1.059]
    assert kernels[0].ours == kernels[2].ours == pytest.approx(0.6, abs=0.01)
    assert all(cell.ours == pytest.approx(0.4, abs=0.01) for cell in kernels[4:7])
    assert all(cell.note for cell in (*network, *kernels))


def test_tables_tell_every_cell(found: Published) -> None:
    made = sheets(found)
    assert [len(sheet.rows) for sheet in made] == [len(cells) for cells in found.groups.values()]
    assert all(cell["residual"] is not None or cell["note"] for cells in found.to_json()["groups"].values()
               for cell in cells)
