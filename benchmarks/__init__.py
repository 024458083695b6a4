"""The scripts that the figures of the README and the documentation come from.

Every script runs with one command, prints what it finds and ends with one line of JSON; benchmarks/README.md
lists them. They know `tuner` and `trainables`; neither knows them.
"""
