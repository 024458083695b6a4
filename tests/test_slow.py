"""The list of slow files is true of the tree, and does what it is for."""

from tests.processes import ROOT
from tests.slow import SLOW, place


def test_every_slow_file_exists_and_is_named_once():
    assert [name for name in SLOW if not (ROOT / "tests" / name).is_file()] == []
    assert len(set(SLOW)) == len(SLOW)


def test_slow_files_have_their_places_and_all_others_the_last():
    assert [place(str(ROOT / "tests" / name)) for name in SLOW] == list(range(len(SLOW)))
    assert place(__file__) == len(SLOW)


def test_slow_files_are_marked_and_come_first(request):
    items = request.session.items
    places = [place(str(item.path)) for item in items]
    assert places == sorted(places)
    assert [item.get_closest_marker("slow") is not None for item in items] == [p < len(SLOW) for p in places]
