"""What the tuner and the stages both need and neither owns: text on one line, files, expressions, arrays.

They may not know each other, so this package imports neither. It knows nothing of studies, trials or scripts.
"""
