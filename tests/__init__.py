"""Tests; a package, so that Ray workers can name ``tests.stages:SyntheticStage``."""
