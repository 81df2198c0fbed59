"""What is measured; each module is a command."""

import os

# Before numpy is imported. With several threads, matrix products wait for each other's processor on a machine that does
# something else, too, for many times the time that they take.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
