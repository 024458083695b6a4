"""Tests of what a script tells its stage, and what the stage makes of it."""
