"""Data only: a YAML file for each study, hardware profiles under `hardware/`; see `tuner.spec`."""
