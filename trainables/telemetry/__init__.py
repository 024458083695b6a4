"""Measuring apart from training: clock, memory, threads and the device's description.

Importing these modules never imports torch; functions that need it say so.
"""
