"""Optuna's samplers as proposers of ours: what they propose is moved to the nearest unused legal point."""
