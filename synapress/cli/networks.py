"""Commands that take a network: `synapress footprint | map`."""

from pathlib import Path
from typing import Annotated

import typer

from golden.errors import ConfigError
from golden.types import Place
from synapress.cli import completion
from synapress.cli.open_network import SOURCES, Opened, open_network
from synapress.cli.options import (
    SEEDS,
    Activity,
    AnyConfig,
    AsJson,
    Constants,
    Cores,
    Cut,
    HostAfter,
    InputShapes,
    Many,
    Neurons,
    ShareStates,
    check_output,
    mesh_size,
    print_json,
    reading,
    steps,
    throughput_of,
    warnings_told,
)
from synapress.reports import footprint as footprints
from synapress.reports import mapping
from synapress.reports.tables import show

Source = Annotated[str, typer.Argument(metavar="NETWORK|FILE|DIR", autocompletion=completion.networks,
                                         help=f"{SOURCES}.")]
Figure = Annotated[list[Path] | None, typer.Option(
    "--figure", metavar="FILE", help="Draw it, as .png or .svg; may be repeated.")]
Seed = Annotated[int, typer.Option(min=0, max=SEEDS, help="Seed of the weights of a known network.")]


def _say(network: Opened) -> None:
    if network.assumed:
        typer.echo(f"assumed: {network.assumed}")


def check_figures(paths: list[Path] | None) -> list[Path]:
    for path in paths or []:
        check_output(path, ".png", ".svg", option="--figure")
    return paths or []


def footprint(source: Source, config: AnyConfig = None, figure: Figure = None, seed: Seed = 1,
              neurons: Neurons = None, cut: Cut = None,
              host_after: HostAfter = None, shape: InputShapes = None, constant: Constants = None,
              as_json: AsJson = False) -> None:
    """Account the memory of a network.

    By layer, of this technique, of both references as the paper counts them, and of the images as written.
    """
    figures = check_figures(figure)
    given = reading(neurons=neurons, cut=cut, host_after=host_after, shape=shape, constant=constant)
    with warnings_told(), steps() as progress:
        progress(f"reading {source}")
        network = open_network(source, config=config, seed=seed, given=given)
        report = footprints.account(network.program, network.config, images=network.images, progress=progress)
    if as_json:
        print_json(report.to_json() | {"assumed": network.assumed})
    else:
        show(footprints.tables(report))
        _say(network)
    for path in figures:
        from synapress.reports.plots import footprint_picture

        footprint_picture(path, **footprints.picture_parts(report))
        typer.echo(f"figure: {path}", err=True)


def _core(option: str, text: str) -> Place:
    numbers = text.split(",")
    try:
        x, y = (int(number) for number in numbers)
    except ValueError:
        raise ConfigError(f"{option}: '{text}' must be a column and a row, as 3,0") from None
    return x, y


def _pins(given: list[str] | None) -> dict[str, list[Place]]:
    pins: dict[str, list[Place]] = {}
    for text in given or []:
        layer, equals, cores = text.rpartition("=")
        if not equals or not layer:
            raise ConfigError(f"--pin {text}: needs LAYER=COLUMN,ROW or LAYER=COLUMN,ROW;COLUMN,ROW...")
        pins.setdefault(layer, []).extend(_core(f"--pin {text}", core) for core in cores.split(";"))
    return pins


def map_(
    source: Source, config: AnyConfig = None,
    mesh: Annotated[str | None, typer.Option(
        metavar="COLUMNSxROWS", help="Default: the smallest that fits.")] = None,
    pin: Annotated[list[str] | None, typer.Option(
        metavar="LAYER=X,Y[;X,Y...]", help="Cores that a layer or fragment must lie on; may be repeated.")] = None,
    host: Annotated[str | None, typer.Option(
        metavar="X,Y", help="In the mesh or next to it. Default: north of the middle of row 0.")] = None,
    throughput: Many = False, cores: Cores = None, activity: Activity = None, share_states: ShareStates = None,
    pad: Annotated[bool, typer.Option("--pad/--no-pad", help="Spread depthwise layers over the banks.")] = True,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="DIR", help="Write the images.")] = None,
    figure: Figure = None, seed: Seed = 1, neurons: Neurons = None, cut: Cut = None,
    host_after: HostAfter = None, shape: InputShapes = None, constant: Constants = None, as_json: AsJson = False,
) -> None:
    """Cut a network and place it on a mesh of cores.

    Tells what fills each core, what limits it and how loaded the links are; with --output also writes the images.
    """
    figures, size, pins = check_figures(figure), mesh_size(mesh), _pins(pin)
    given = reading(neurons=neurons, cut=cut, host_after=host_after, shape=shape, constant=constant)
    at = None if host is None else _core(f"--host {host}", host)
    fast = throughput_of(throughput, cores, activity)
    if output is not None and output.exists() and not output.is_dir():
        raise ConfigError(f"--output {output}: is a file; the images need a folder")
    with warnings_told(), steps() as progress:
        progress(f"reading {source}")
        network = open_network(source, config=config, seed=seed, given=given)
        mapped = mapping.map_network(network.program, network.config, size, host=at, pins=pins, pad=pad,
                                     throughput=fast, share_states=share_states, progress=progress)
        if output is not None:
            progress(f"saving images to {output}")
            mapped.images.save(output)
    if as_json:
        print_json(mapped.to_json() | {"assumed": network.assumed})
    else:
        show(mapping.tables(mapped))
        _say(network)
    if output is not None:
        typer.echo(f"images: {output}", err=True)
    for path in figures:
        from synapress.reports.plots import mesh_picture

        mesh_picture(path, **mapping.picture_parts(mapped))
        typer.echo(f"figure: {path}", err=True)
