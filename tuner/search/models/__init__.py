"""What is believed of configurations nobody has run: their time, memory and NRMSE, with uncertainty.

Pure numpy and scipy: no Optuna, no Ray, no clock. Each model is a function of the data alone, so that
replaying a journal rebuilds the same beliefs.
"""
