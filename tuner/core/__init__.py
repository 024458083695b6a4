"""The problem itself, pure: configurations, their lattice, costs, measurements, trials, the answer.

Standard library and numpy only. Nothing here knows Ray, Optuna, torch, YAML, a clock or a file.
"""
