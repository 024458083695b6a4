"""Objects in lines of output: JSON and Python dicts, whatever stands around them."""

import math
import threading

import pytest

from trainables.command.objects import MISSING, lookup, names, objects_in


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ('{"nrmse": 0.1}', [{"nrmse": 0.1}]),
        ('2024-01-01 INFO [rank0] {"nrmse": 0.1} done', [{"nrmse": 0.1}]),
        ('INFO {x} {"nrmse": 0.1}', [{"nrmse": 0.1}]),
        ('{"step": 3} {"nrmse": 0.1}', [{"step": 3}, {"nrmse": 0.1}]),
        ("{'eval_nrmse': 0.1, 'epoch': 1.0}", [{"eval_nrmse": 0.1, "epoch": 1.0}]),
        ("{'a': -inf, 'b': None, 'c': True}", [{"a": -math.inf, "b": None, "c": True}]),
        (
            "{'a': np.float64(0.1), 'b': tensor(0.2, device='cuda:0')}",
            [{"a": 0.1, "b": 0.2}],
        ),
        ("{'eval_loss': '0.8934', 'note': 'x'}", [{"eval_loss": 0.8934, "note": "x"}]),
        ("{'brace': '}', 'a': 1}", [{"brace": "}", "a": 1}]),
        ('{"val": {"nrmse": 0.1}}', [{"val": {"nrmse": 0.1}}]),
        ("{'model': <Net object>} {'nrmse': 0.1}", [{"nrmse": 0.1}]),
        ("{1, 2} {} no object {", [{}]),
        ('{"a": 1' + "0" * 5000 + "}", []),
        ("{'a': open('x')}", []),
    ],
)
def test_the_outermost_objects_of_a_line_are_found_in_order(line, found):
    assert list(objects_in(line)) == found


def test_nan_is_read_in_both_notations():
    for line in ("{'a': nan}", '{"a": NaN}', "{'a': 'nan'}"):
        (found,) = objects_in(line)
        assert math.isnan(found["a"])


@pytest.mark.parametrize(
    "line",
    ["{" * 65_536, "{'a':" * 13_000, '{"a":' * 13_000, "{'a': " + "-" * 8_000 + "1}", "{'a': " + "[" * 8_000],
)
def test_a_hostile_line_neither_breaks_nor_hangs_the_thread_that_reads_it(line):
    found = []
    thread = threading.Thread(target=lambda: found.append(list(objects_in(line))))
    thread.start()
    thread.join(60)
    assert found == [[]]


def test_a_dotted_name_leads_into_nested_objects_unless_a_flat_one_is_there():
    values = {"val": {"nrmse": 1, "a.b": 2}, "flat.name": 3, "flat": {"name": 4}, "none": None}
    wanted = {"val.nrmse": 1, "val.a.b": 2, "flat.name": 3, "none": None, "val.x": MISSING, "none.x": MISSING}
    assert {name: lookup(values, name) for name in wanted} == wanted
    assert names(values) == ["val.nrmse", "val.a.b", "flat.name", "flat.name", "none"]
