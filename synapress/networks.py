"""Networks by name or file, as the command line takes them."""

import runpy
import sys
from pathlib import Path

from golden.errors import NetworkError, SynapressError
from mapper.network import Network
from mapper.zoo import ZOO

SOURCES = f"{', '.join(ZOO)}, or a Python file with a function network() that returns a synapress.Network"
"""What `open_network` takes, for help texts."""


def open_network(source: str, *, seed: int = 1) -> Network:
    """A network of the zoo by name, with random weights of this seed; or one that a Python file makes.

    The file is run, as `python FILE` would run it but under another name than `__main__`: its own folder comes first
    in the search path of imports while it runs.

    Raises:
        NetworkError: no such network or file, or a file that fails or has no `network()`.
    """
    if source in ZOO:
        return ZOO[source](seed)
    path = Path(source)
    if not path.is_file():
        raise NetworkError(f"'{source}' is neither a known network nor a file; give {SOURCES}")
    if path.suffix != ".py":
        raise NetworkError(f"'{source}' has the suffix '{path.suffix}'; give {SOURCES}")
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)
    try:
        make = runpy.run_path(str(path), run_name="network").get("network")
        if not callable(make):
            raise NetworkError(f"'{source}' has no function network() that returns a synapress.Network")
        network = make()
    except SynapressError:
        raise
    except (Exception, SystemExit) as error:  # whatever a user's file does
        raise NetworkError(f"'{source}' failed: {type(error).__name__}: {error}") from error
    finally:
        if folder in sys.path:
            sys.path.remove(folder)
    if not isinstance(network, Network):
        raise NetworkError(f"network() of '{source}' returned {type(network).__name__}, not a synapress.Network")
    return network
