"""Text from outside stays text: the page shows it word for word, and no element or attribute comes of it."""

import json
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser

from tuner.core.trial import TrialState
from tuner.report.html.figures.trials import curves, pareto
from tuner.report.html.page import page
from tuner.runs.past_run import PastRun

NASTY = """</script></title></style><script>alert("it's")</script>{{ 7 * 7 }} & ' onload="x"""
VOID = {"meta", "path", "rect", "circle"}


class Page(HTMLParser):
    """A parsed page.

    Attributes:
        elements: Tag and attributes of every element.
        texts: Every text with the tag and the id of the element that it is in.
    """

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.texts, self._open = [], [], [("", None)]
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, tuple(attrs)))
        if tag not in VOID:
            self._open.append((tag, dict(attrs).get("id")))

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, tuple(attrs)))

    def handle_endtag(self, tag):
        while self._open.pop()[0] != tag:  # a cell or a row that was not closed
            pass

    def handle_data(self, data):
        self.texts.append((*self._open[-1], data))

    def of(self, tag, key=None):
        """All texts that are directly in such an element."""
        return [text for its_tag, its_id, text in self.texts if its_tag == tag and key in (None, its_id)]


def parsed(past, text):
    """The page of an unfinished run in which everything that comes from outside is this text."""
    first, *later = past.events[:9]
    device = first["provenance"]["device"] | {"name": text}
    start = first | {"provenance": first["provenance"] | {"device": device, "platform": text}}
    run = PastRun(
        folder=past.folder,
        study=replace(past.study, name=text),
        events=(start, *later),
        failure=text,
    )
    stopped = replace(past.records[0], state=TrialState.STOPPED, reason=text)
    failed = replace(past.records[1], measurements=(), state=TrialState.FAILED, reason=text)
    run.__dict__["records"] = (stopped, failed)
    return Page(page(run, (pareto(run), curves(run))))


def test_names_messages_and_reasons_are_shown_word_for_word_and_make_no_element(past):
    plain, nasty = parsed(past, "plain"), parsed(past, NASTY)
    assert nasty.elements == plain.elements
    assert Counter(tag for tag, _ in nasty.elements)["script"] == 4
    assert nasty.of("h1") == [NASTY]
    assert nasty.of("title")[0].startswith(f"{NASTY}: ")
    assert f"The run failed ({NASTY}); so far: " in nasty.of("p", "verdict")[0]
    cells = nasty.of("td")
    assert cells.count(NASTY) == 3  # the platform, and the reason of each trial
    assert any(cell.startswith(f"{NASTY} (") for cell in cells)  # the device
    notes = nasty.of("li")
    assert any(note.endswith(f": {NASTY}") for note in notes)


def test_labels_of_points_are_data_of_the_page_in_which_plotly_reads_no_markup(past):
    nasty = parsed(past, NASTY)
    [data] = nasty.of("script", "plots")
    labels = [
        label for plot in json.loads(data) for one in plot["data"] for label in one.get("hovertext", ())
    ]
    shown = NASTY.replace("&", "&amp;").replace("<", "&lt;")
    assert any(label.endswith(shown) for label in labels)
    assert not any("<script" in label for label in labels)
    assert "<" not in data
