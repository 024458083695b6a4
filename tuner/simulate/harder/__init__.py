"""Harder instances: margins of .3 to 2 %, and laws and conditions that a search is not made for.

Three sets, kept apart, and no law of one is in another: a search is developed on DEVELOP, versions of it
are chosen by SELECT, and HELD_OUT (unseen laws of the usual form) and ALIEN (laws of another form) report it
once.
"""

from tuner.simulate.harder.draw import draw
from tuner.simulate.harder.recipes import HARDER_SETS

__all__ = ["HARDER_SETS", "draw"]
