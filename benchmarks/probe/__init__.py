"""Compares a probe's predictions with real epochs."""
