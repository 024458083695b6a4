"""Tests; a package, so that Ray workers can name ``tests.stages:SyntheticStage``."""

import os

# Several test files run at a time, and the model's matrices are small: a second thread only waits for a core.
# BLAS reads this when numpy is imported, and everything else in this package comes after.
os.environ["OMP_NUM_THREADS"] = "1"
