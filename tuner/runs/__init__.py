"""Everything about a run on disk and its life: its folder, its journal, the journal's facts, its result.

Knows neither how trials are run (Ray, the simulator) nor how anything is put into words.
"""
