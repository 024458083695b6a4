"""Reads a .wandb file: LevelDB's log format with a header of 7 bytes, its records protocol buffers of W&B."""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_BLOCK, _HEADER = 32768, 7
_FULL, _FIRST, _LAST = 1, 2, 4


def _chunks(data: bytes) -> Iterator[bytes]:
    at, parts = _HEADER, b""
    while at + _HEADER <= len(data):
        if (left := _BLOCK - at % _BLOCK) < _HEADER:
            at += left
            continue
        _, length, kind = struct.unpack("<IHB", data[at : at + _HEADER])
        body = data[at + _HEADER : at + _HEADER + length]
        if kind == 0 or len(body) < length:
            return  # the rest was never written
        parts = body if kind in (_FULL, _FIRST) else parts + body
        if kind in (_FULL, _LAST):
            yield parts
        at += _HEADER + length


def _items(items: Any) -> dict[str, Any]:
    return {(item.key or "/".join(item.nested_key)): json.loads(item.value_json) for item in items}


def read_wandb(path: Path) -> dict[str, Any]:
    """Run, config, history (a dict a step), summary, artifacts' files and exit code of a run."""
    from wandb.proto import wandb_internal_pb2 as pb

    data = path.read_bytes()
    assert data[:4] == b":W&B"
    read: dict[str, Any] = {"config": {}, "history": [], "summary": {}, "files": [], "exit_code": None}
    for chunk in _chunks(data):
        record = pb.Record.FromString(chunk)
        match record.WhichOneof("record_type"):
            case "run":
                run = record.run
                read |= {"id": run.run_id, "name": run.display_name, "group": run.run_group}
                read |= {"job_type": run.job_type, "project": run.project, "tags": list(run.tags)}
                read["config"] |= _items(run.config.update)
            case "config":
                read["config"] |= _items(record.config.update)
            case "history":
                read["history"].append(_items(record.history.item))
            case "summary":
                read["summary"] |= _items(record.summary.update)
            case "exit":
                read["exit_code"] = record.exit.exit_code
            case "request" if record.request.HasField("log_artifact"):
                read["files"] += [e.path for e in record.request.log_artifact.artifact.manifest.contents]
            case "artifact":
                read["files"] += [entry.path for entry in record.artifact.manifest.contents]
    return read
