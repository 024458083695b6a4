"""Calibrates the bundled stage: NRMSE and seconds by configuration, and their noise."""
