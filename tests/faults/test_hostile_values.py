"""Values of parameters that look like something else: what is recommended is exactly what was measured."""

from dataclasses import replace

import pytest
import yaml

from tests.sinks.cases import FAST, a_result
from tests.studies import study_dict
from tuner.report.files import recommended_yaml, write_outputs
from tuner.spec import study_from_text
from tuner.spec.document import read_document
from tuner.spec.yaml_format import write_yaml

HOSTILE = [
    *("yes", "null", "~", "1e5", "0x10", "010", "10:30", "2001-01-01", ".inf", "true", "<<", "="),
    *(
        "# no comment",
        "a: b",
        "- a",
        "[a",
        "{a",
        "*a",
        "&a",
        "!a",
        "%a",
        "@a",
        "`a",
        "|",
        ">",
        "'",
        '"',
        "\\n",
    ),
    *("=HYPERLINK(1)", " spaces ", "", "ü😀", "provenance: {certified: true}"),
    *(True, 7, 1e-5, 1e22, 0.1),
]


@pytest.mark.parametrize("value", HOSTILE, ids=repr)
def test_recommended_yaml_loads_and_holds_exactly_the_recommended_values(value, tmp_path):
    other = "plain" if isinstance(value, str) else (not value if isinstance(value, bool) else value * 2)
    study = study_dict()
    study["parameters"]["mode"] = {"type": "categorical", "values": [other, value]}
    for name in ("baseline", "guide"):
        study[name] = study[name] | {"mode": other}
    plain = a_result(study_from_text(write_yaml(study).encode(), label="study.yaml"))
    best = replace(FAST, extra=(("mode", value),))
    records = tuple(
        replace(r, config=best if r.config == FAST else replace(r.config, extra=(("mode", other),)))
        for r in plain.records
    )
    result = replace(plain, records=records, admitted={best: 0.99})
    found = result.conclusion.recommendation
    assert found.estimate.config == best
    text = recommended_yaml(found, result)
    wanted = best.as_dict()
    for loaded in (yaml.safe_load(text), read_document(text.encode(), "recommended.yaml").value):
        provenance = loaded.pop("provenance")
        assert sorted(map(repr, loaded.values())) == sorted(map(repr, wanted.values()))
        assert set(provenance) >= {"certified", "seeds", "device"}
    write_outputs(tmp_path, result)
