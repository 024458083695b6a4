"""Measuring apart from training: clock, memory, threads and the device's description.

Importing these modules never imports torch; what needs it says so.
"""
