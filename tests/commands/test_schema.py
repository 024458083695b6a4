"""The shipped schema is the models', and says no to what the loader refuses."""

import json

import jsonschema
import pytest

from tests.commands.calls import call
from tests.processes import ROOT
from tests.studies import study_dict
from tuner.spec.document import read_document
from tuner.spec.json_schema import study_schema

SHIPPED = ROOT / "search_spaces/study.schema.json"
STUDIES = [
    *sorted((ROOT / "search_spaces").glob("*.yaml")),
    ROOT / "docs/examples/own_stage.yaml",
    ROOT / "docs/examples/pipeline/study.yaml",
]


def errors_of(values):
    return [error.message for error in jsonschema.Draft202012Validator(study_schema()).iter_errors(values)]


def test_the_shipped_schema_is_the_models_own():
    assert json.loads(SHIPPED.read_text()) == study_schema(), "remake: python -m tuner.run schema --write ..."
    jsonschema.Draft202012Validator.check_schema(study_schema())


def test_the_command_prints_and_writes_it(tmp_path):
    assert call("schema").json == study_schema()
    call("schema", "--write", tmp_path / "a.json")
    assert (tmp_path / "a.json").read_text() == SHIPPED.read_text()


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_shipped_studies_are_valid(path):
    assert errors_of(read_document(path.read_bytes(), path.name).value) == []


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_a_study_names_the_shipped_schema_in_its_first_line(path):
    key, _, named = path.read_text().splitlines()[0].partition("=")
    assert key == "# yaml-language-server: $schema"
    assert (path.parent / named).resolve() == SHIPPED


@pytest.mark.parametrize(
    "changes",
    [
        {"sampler": "tpe"},
        {"hardware": "a1000"},
        {"target": "0.095"},
        {"objective": "speed"},
        {"budget": {"trials": 0, "hours": 1}},
        {"budget": {"trials": 3}},
        {"search": {"sampler": "bayes"}},
        {"scheduler": {"rule": "never"}},
        {"decision": {"max_error": 0.5}},
        {"parameters": {"batch_size": {"values": [4]}}},
        {"baseline": {"batch_size": [6]}},
        {"stage": {"class": "no colon", "num_epochs": 1, "num_samples": 1}},
        {"seed": -1},
    ],
    ids=str,
)
def test_what_the_loader_refuses_by_shape_the_schema_refuses(changes):
    assert errors_of(study_dict()) == []
    assert errors_of(study_dict() | changes)


def test_own_classes_are_allowed_where_the_loader_allows_them():
    own = {"search": {"sampler": "my.module:Sampler"}, "scheduler": {"rule": "mine:Rule"}}
    assert errors_of(study_dict(**own)) == []


def test_every_key_of_a_study_is_explained_to_editors():
    schema = study_schema()
    assert len(schema["$defs"]) == 13
    for name, shape in schema["$defs"].items():
        assert shape["description"], name
        assert all(value.get("description") for value in shape["properties"].values()), name
    assert all(value.get("description") for value in schema["properties"].values())
    assert "See `study" not in json.dumps(schema)
    assert "Attributes:" not in json.dumps(schema)
