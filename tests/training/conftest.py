"""Tests of training are run where PyTorch is: `make test-training`. Elsewhere none is collected."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("torch") else ["test_*.py"]
