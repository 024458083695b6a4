"""The JSON Schema of the study file, for editors and other programs, from the models that check it.

It says what a schema can: keys, types, bounds, names. What takes several parts of a study together
(divisibility, the baseline, constraints) only the loader checks.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from tuner.spec.load import list_hardware
from tuner.spec.schema import SAMPLERS, STOPPING_RULES, StudyModel

_ID = "https://json-schema.org/draft/2020-12/schema"
_CLASS_PATH = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$"
_SCALAR = {"type": ["number", "string", "boolean"]}
_NUMBER = {"type": "number"}

DESCRIPTIONS = {
    "StudyModel": "A study of distill-tuner: what is trained, what varies, what is enough, for how long.",
    "StudyModel.name": "Names the run's folder: letters, digits, - _ .",
    "StudyModel.description": "For people, in one line.",
    "StudyModel.hardware": "The device it was written for: a shipped profile's name, or a description.",
    "StudyModel.stage": "What a trial trains.",
    "StudyModel.parameters": "batch_size, micro_batch, num_taus, accum_steps, and others of the stage.",
    "StudyModel.constraints": "What must hold between them; `micro_batch divides batch_size` always does.",
    "StudyModel.objective": "What is minimised, of a training at full budget.",
    "StudyModel.target": "The bound of NRMSE: `nrmse < 0.095` or `nrmse <= 1.04 * baseline`.",
    "StudyModel.limits": "Bounds on other figures that trials report, such as `peak_memory_gib <= 38`.",
    "StudyModel.baseline": "Measured first; every speed-up is relative to it. A legal point.",
    "StudyModel.guide": "The guide's own recommendation, tried second. A legal point.",
    "StudyModel.budget": "When the search ends: whichever comes first.",
    "StudyModel.search": "How configurations are chosen.",
    "StudyModel.scheduler": "When a trial is stopped early.",
    "StudyModel.decision": "When something may be recommended.",
    "StudyModel.certificate": "What is then proved of it.",
    "StudyModel.resources": "What a trial gets.",
    "StudyModel.outputs": "What a run is written to besides its own files; decides nothing of the search.",
    "StudyModel.seed": "Of the search and of every trial; replicates count up from it.",
    "StageModel": "What runs on the worker.",
    "StageModel.class": "module:Class of the stage.",
    "StageModel.options": "Handed to the stage as they are.",
    "StageModel.num_epochs": "The full budget of a trial.",
    "StageModel.num_samples": "Training samples an epoch; handed to the stage too.",
    "ParameterModel": "One parameter: {values: [...]}, or {low, high} with step (int) or log (float).",
    "ParameterModel.type": "int (default), float or categorical.",
    "ParameterModel.values": "The values to choose from.",
    "ParameterModel.low": "The least value.",
    "ParameterModel.high": "The greatest value, inclusive.",
    "ParameterModel.step": "Of whole numbers; must reach high exactly.",
    "ParameterModel.log": "Of floats: ratios matter, not differences.",
    "BudgetModel": "When the search ends.",
    "BudgetModel.trials": "Configurations tried, at most.",
    "BudgetModel.hours": "Hours, at most.",
    "SearchModel": "How configurations are chosen.",
    "SearchModel.sampler": "A sampler's name, or your own module:Class.",
    "SearchModel.options": "Of the sampler.",
    "SchedulerModel": "When a trial is stopped early.",
    "SchedulerModel.rule": "A stopping rule's name, or your own module:Class.",
    "SchedulerModel.options": "Of the rule.",
    "DecisionModel": "When something may be recommended.",
    "DecisionModel.max_error": "The probability you accept that what is recommended misses the target.",
    "DecisionModel.margin_pct": "Percent of the target's bound by which NRMSE must stay under it.",
    "CertificateModel": "What is proved of what is recommended.",
    "CertificateModel.pairs": "Fresh seeds that it and the baseline are run with in turn; 0: no certificate.",
    "CertificateModel.until_firm": "Pairs are added until every check is decided, whatever pairs says.",
    "CertificateModel.nrmse_margin_pct": "Percent of the baseline's NRMSE that may be lost as unchanged.",
    "ResourceModel": "What a trial gets.",
    "ResourceModel.cpus": "CPU cores reserved for a trial.",
    "ResourceModel.threads": "Threads the stage computes with; as cpus unless given.",
    "ResourceModel.retries": "How often a lost trial is asked again.",
    "OutputModel": "What a run is written to besides its own files.",
    "OutputModel.optuna": "sqlite (a file in the run's folder), off, or the URL of a database of Optuna's.",
    "OutputModel.tensorboard": "Whether scalars and hyperparameters are written for TensorBoard.",
    "OutputModel.wandb": "auto (WANDB_MODE, else online with a key, offline without), offline, online, off.",
    "OutputModel.wandb_project": "The project of W&B.",
    "OutputModel.parquet": "Whether the trials are written as Parquet besides CSV.",
    "FigureModel": "A figure and where it comes from.",
    "FigureModel.value": "The figure.",
    "FigureModel.source": "Where it comes from.",
    "GuideRowModel": "The guide's recommended ranges for a card, each [low, high].",
    "GuideRowModel.batch_size": "Of batch_size.",
    "GuideRowModel.micro_batch": "Of micro_batch.",
    "GuideRowModel.num_taus": "Of num_taus.",
    "GuideRowModel.speedup": "What the guide expects there, times the baseline's speed.",
    "HardwareModel": "A device that a study is written for.",
    "HardwareModel.name": "Short.",
    "HardwareModel.description": "In words.",
    "HardwareModel.kind": "cuda or cpu.",
    "HardwareModel.device_names": "The device's name contains one of these ...",
    "HardwareModel.excluded_names": "... and none of these.",
    "HardwareModel.memory_range_gib": "The memory that such a device reports, GiB, [low, high].",
    "HardwareModel.memory_gib": "Its memory by the data sheet, GiB.",
    "HardwareModel.peak_fp32_tflops": "Peak of fp32, TFLOP/s.",
    "HardwareModel.peak_tf32_tflops": "Peak of TF32 without sparsity, TFLOP/s.",
    "HardwareModel.peak_bf16_tflops": "Peak of bf16 without sparsity, TFLOP/s.",
    "HardwareModel.bandwidth_gb_s": "Memory bandwidth, GB/s.",
    "HardwareModel.guide": "What the guide recommends for it.",
}
"""What editors show of a model or one of its keys."""

_TYPES: dict[str, dict[str, Any]] = {
    "StudyModel.target": {"type": "string", "pattern": r"^\s*nrmse\s*<=?\s*\S"},
    "StudyModel.hardware": {"anyOf": [{"$ref": "#/$defs/HardwareModel"}]},  # a name is added below
    "StudyModel.baseline": {"type": "object", "additionalProperties": _SCALAR},
    "StageModel.class": {"type": "string", "pattern": _CLASS_PATH},
    "ParameterModel.low": _NUMBER,
    "ParameterModel.high": _NUMBER,
}


def study_schema() -> dict[str, Any]:
    """The schema as plain JSON values."""
    schema = StudyModel.model_json_schema(by_alias=True)
    models = {"StudyModel": schema, **schema["$defs"]}
    for model, shape in models.items():
        _describe(model, shape)
    study = schema["properties"]
    study["hardware"]["anyOf"].insert(0, {"type": "string", "enum": list_hardware()})
    study["guide"]["anyOf"][0]["additionalProperties"] = _SCALAR
    study["parameters"]["required"] = ["batch_size", "micro_batch", "num_taus"]
    models["ParameterModel"]["properties"]["values"]["anyOf"][0]["items"] = _SCALAR
    _name(models["SearchModel"]["properties"]["sampler"], SAMPLERS)
    _name(models["SchedulerModel"]["properties"]["rule"], STOPPING_RULES)
    for name in models["GuideRowModel"]["properties"]:
        models["GuideRowModel"]["properties"][name]["items"] = _NUMBER
    models["HardwareModel"]["properties"]["memory_range_gib"]["anyOf"][0]["items"] = _NUMBER
    return {"$schema": _ID, **schema}


def _describe(model: str, shape: dict[str, Any]) -> None:
    """Puts words in place of the models' own, and types where pydantic has a function."""
    shape.pop("title", None)
    shape["description"] = DESCRIPTIONS[model]
    for name, value in shape["properties"].items():
        value.pop("title", None)
        value.update(deepcopy(_TYPES.get(f"{model}.{name}", {})))
        if "anyOf" in value and "$ref" in value:
            del value["$ref"]
        if said := DESCRIPTIONS.get(f"{model}.{name}"):
            value["description"] = said


def _name(value: dict[str, Any], known: tuple[str, ...]) -> None:
    """One of the known names, or a class of the user's own."""
    value.pop("type", None)
    value["anyOf"] = [{"enum": list(known)}, {"type": "string", "pattern": _CLASS_PATH}]
