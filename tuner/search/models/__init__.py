"""Predicts time, memory and NRMSE of configurations that nobody has run, with uncertainty.

Pure numpy and scipy: no Optuna, no Ray, no clock. Each model is a function of the data alone, so that
replaying a journal rebuilds the same predictions.
"""
