"""Python files of users, which the command line runs."""

import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from golden.errors import NetworkError, SynapressError


def run_python(path: Path, name: str, use: Callable[[dict[str, Any]], Any] = lambda names: None) -> Any:
    """Run a file as `python FILE` would, but under another name than `__main__`.

    Its own folder comes first in the search path of imports meanwhile.

    Args:
        name: its `__name__`.
        use: called with all that the file defines, while its folder is still searched; the result is returned.

    Raises:
        NetworkError: the file, or what `use` calls of it, fails.
    """
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)
    try:
        return use(runpy.run_path(str(path), run_name=name))
    except SynapressError:
        raise
    except (Exception, SystemExit) as error:  # whatever a user's file does
        raise NetworkError(f"'{path}' failed: {type(error).__name__}: {error}") from error
    finally:
        if folder in sys.path:
            sys.path.remove(folder)
