"""The JSON Schema of the study file, for editors and other programs, from the models that check it.

It says what a schema can: keys, types, bounds, names. What takes several parts of a study together
(divisibility, the baseline, constraints) only the loader checks.
"""

from __future__ import annotations

from typing import Any

from tuner.spec.load import list_hardware
from tuner.spec.schema import study_model
from tuner.spec.study_document import NEEDED_PARAMETERS

_ID = "https://json-schema.org/draft/2020-12/schema"


def study_schema() -> dict[str, Any]:
    """The schema as plain JSON values."""
    schema = study_model().model_json_schema()
    for shape in (schema, *schema["$defs"].values()):
        del shape["title"]
        for value in shape["properties"].values():
            value.pop("title", None)
            if "$ref" in value:  # a section that its own description is enough for
                value.setdefault("description", schema["$defs"][value["$ref"].split("/")[-1]]["description"])
    study = schema["properties"]
    study["parameters"]["required"] = list(NEEDED_PARAMETERS)
    profile = study["hardware"].pop("$ref")
    study["hardware"]["anyOf"] = [{"type": "string", "enum": list_hardware()}, {"$ref": profile}]
    return {"$schema": _ID, **schema}
