"""Everything that a person or a program reads of a run: live progress, the closing table, and its files.

Everything is made from the advisor's records and returned or written to the run's folder; nothing
prints.
"""
