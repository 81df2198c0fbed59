"""`synapress organisations`: what a layer's synapses take in each memory organisation."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from golden.errors import ConfigError
from synapress.cli import completion
from synapress.cli.networks import Figure, check_figures
from synapress.cli.open_network import SOURCES, open_network
from synapress.cli.options import MOST_CELLS, SEEDS, AsJson, numbers, print_json, steps, warnings_told
from synapress.energy.memory import MODELS, memory_model
from synapress.reports.tables import show

if TYPE_CHECKING:
    from synapress.reports.organisations.layers import Layer
    from synapress.reports.organisations.learning_tables import Learning
    from synapress.reports.organisations.tables import Comparison

DEFAULT_MODELS = ("cacti22", "cacti65")


def organisations(
    source: Annotated[str | None, typer.Argument(
        metavar="[NETWORK|FILE]", autocompletion=completion.networks, show_default="a layer by options",
        help=f"A .json file of layers (docs/mapping.md), or a network: {SOURCES}.")] = None,
    inputs: Annotated[int | None, typer.Option(min=1, help="Of a dense or pruned layer.")] = None,
    outputs: Annotated[int | None, typer.Option(min=1, help="Of a dense or pruned layer.")] = None,
    density: Annotated[str | None, typer.Option(
        metavar="SHARE[,SHARE...]|FROM:TO:STEP", show_default="1", help="Weights that are not zero.")] = None,
    bits: Annotated[str | None, typer.Option(
        metavar="BITS[,BITS...]|FROM:TO", show_default="8", help="Of a weight.")] = None,
    kernel: Annotated[int | None, typer.Option(min=1, help="Of a convolution.")] = None,
    image: Annotated[int | None, typer.Option(min=1, help="Of a convolution: columns and rows.")] = None,
    channels: Annotated[int | None, typer.Option(min=1, help="Of a convolution.")] = None,
    source_channels: Annotated[int, typer.Option(min=1, help="Of a convolution.")] = 1,
    padding: Annotated[int | None, typer.Option(min=0, show_default="as large as the image", help="Of a convolution.")
                       ] = None,
    only: Annotated[list[str] | None, typer.Option("--only", metavar="ORGANISATION", help="May be repeated.")] = None,
    model: Annotated[list[str] | None, typer.Option(
        metavar="MODEL", show_default=" and ".join(DEFAULT_MODELS), help=f"Of the energy: {', '.join(MODELS)}; may be "
        "repeated.")] = None,
    memory: Annotated[int | None, typer.Option(
        min=1, metavar="KBYTES", show_default="each part in one of its own", help="One memory for all parts.")] = None,
    word_bits: Annotated[int, typer.Option(help="Of a memory word: 64 or 128.")] = 64,
    serial: Annotated[bool, typer.Option("--serial", help="One access for each weight, as in the paper.")] = False,
    controllers: Annotated[bool, typer.Option(
        "--controllers/--no-controllers", help="Also synthesize the decoders, and tell their area and the energy of "
        "their logic on the first layer.")] = True,
    capacitance: Annotated[float | None, typer.Option(
        metavar="FF", show_default="of its gate, by technology", help="Of a transistor, in fF.")] = None,
    learning: Annotated[bool, typer.Option(
        "--learning", help="All passes: forward, backward, and the update of the weights.")] = False,
    published: Annotated[bool, typer.Option(
        "--published", help="The figures of Schaefer et al. beside ours, with residuals, instead of a layer.")] = False,
    figure: Figure = None,
    seed: Annotated[int, typer.Option(min=0, max=SEEDS, help="Seed of drawn weights and places.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Compare memory organisations of synapses on a layer, a file of layers, or a network.

    Bits, accesses, cycles, events, energy and area of crossbar, bitmap, compressed rows and functional connectivity.
    """
    from synapress.reports.organisations import published as theirs
    from synapress.reports.organisations.side_by_side import compared, learned_layers

    figures = check_figures(figure)
    layer = {"inputs": inputs, "outputs": outputs, "kernel": kernel, "image": image, "channels": channels}
    options = {f"--{name}": value for name, value in {**layer, "density": density, "bits": bits}.items()
               if value is not None}
    if published:
        if source or options or figures or learning:
            raise ConfigError("--published: has layers of its own, and all passes; leave out the network, --learning, "
                              "--figure and the options of a layer")
        with steps() as progress:
            found = theirs.published(seed, progress)
        if as_json:
            print_json(found.to_json())
        else:
            show(theirs.sheets(found))
        return
    models = [memory_model(name) for name in dict.fromkeys(model or DEFAULT_MODELS)]
    with warnings_told(), steps() as progress:
        layers = _layers(source, layer, source_channels, padding, seed, progress)
        swept = _swept(layers, density, bits)
        result = (learned_layers if learning else compared)(
            source or layers[0].name, swept, named=only or [], models=models, word_bits=word_bits, serial=serial,
            memory_bits=None if memory is None else memory * 8192, seed=seed, controllers=controllers,
            capacitance=capacitance, progress=progress)
    _tell(result, models[0].name, figures, as_json)


def _tell(found: "Comparison | Learning", model: str, figures: Sequence[Path], as_json: bool) -> None:
    """The result as JSON or tables, and its figures, which are by one model of the energy."""
    from synapress.reports.organisations import learning_tables, tables

    if as_json:
        print_json(found.to_json())
    else:
        show(tables.sheets(found) if isinstance(found, tables.Comparison) else learning_tables.sheets(found))
    for path in figures:
        from synapress.reports.organisations.pictures import organisations_picture

        organisations_picture(path, **(tables.picture_parts(found, model) if isinstance(found, tables.Comparison) else
                                       learning_tables.picture_parts(found, model)))
        typer.echo(f"figure: {path}", err=True)


def _layers(source: str | None, options: dict[str, int | None], source_channels: int, padding: int | None, seed: int,
            progress: Callable[[str], None]) -> "list[Layer]":
    """The layers that are asked for, as they are without a sweep."""
    from synapress.reports.organisations.layers import Convolved, Drawn, network_layers, read_layers

    given = {name: value for name, value in options.items() if value is not None}
    if source is not None:
        if given:
            raise ConfigError(f"{', '.join(f'--{name}' for name in given)}: for a layer by options; '{source}' has "
                              "layers of its own: leave them out")
        progress(f"reading {source}")
        if Path(source).suffix == ".json":
            return read_layers(Path(source))
        return network_layers(open_network(source, seed=seed).program)
    if set(given) == {"inputs", "outputs"}:
        return [Drawn(name=f"{given['inputs']} × {given['outputs']}", **given)]
    if set(given) == {"kernel", "image", "channels"}:
        name = f"{given['kernel']}×{given['kernel']}, {given['channels']} channels, image {given['image']}"
        return [Convolved.square(name, **given, source_channels=source_channels, padding=padding)]
    raise ConfigError("a layer needs --inputs and --outputs, or --kernel, --image and --channels; or name a network or "
                      f"a file; given: {', '.join(f'--{name}' for name in given) or 'nothing'}")


def _swept(layers: "list[Layer]", density: str | None, bits: str | None) -> "list[Layer]":
    from synapress.reports.organisations.layers import swept

    shares = () if density is None else tuple(numbers("--density", density, float))
    widths = () if bits is None else tuple(int(width) for width in numbers("--bits", bits, int))
    cells = len(layers) * max(len(shares), 1) * max(len(widths), 1)
    if cells > MOST_CELLS:
        raise ConfigError(f"a sweep of {cells:,} layers is more than {MOST_CELLS:,}: choose larger steps")
    return [item for layer in layers for item in swept(layer, shares, widths)]
