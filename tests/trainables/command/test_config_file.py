"""The script reads its own configuration file, byte for byte but for the patched values."""

import json
import sys

import pytest
import yaml
from ruamel.yaml import YAML

from tests.trainables.test_command import output_of, reports, trial
from trainables.command import CommandStage

COPIES = (
    "import json, os, shutil, sys\n"
    "shutil.copy(sys.argv[1], sys.argv[2])\n"
    "print(os.path.basename(sys.argv[1]))\n"
    "print('{\"nrmse\": 1}')\n"
)
"""Keeps the file that it was given."""


def read_by_the_script(tmp_path, name, content, patch, **options):
    """The bytes of the copy that a trial's script finds; parameters: batch_size 6."""
    (tmp_path / name).write_bytes(content)
    config = trial(
        tmp_path,
        COPIES,
        "{config}",
        str(tmp_path / "seen"),
        num_epochs=1,
        config=str(tmp_path / name),
        patch=patch,
        num_samples=2000,
        **options,
    )
    CommandStage.check_parameters(config["stage"], ["batch_size"] if patch else [], [])
    CommandStage.prepare(config["stage"])
    reports(config)
    assert output_of(tmp_path).startswith(f"{name}\n")
    assert (tmp_path / name).read_bytes() == content
    return (tmp_path / "seen").read_bytes()


def test_json_is_read_as_json_and_keeps_numbers_tabs_and_line_ends(tmp_path):
    before = (
        b'\xef\xbb\xbf{\r\n\t"micro": 3,\r\n\t"optimizer": {"params": {"lr": 1e-5, "eps":1E-8}},\r\n'
        b'\t"stages": [{"bucket": 5e8}, {"n": 0}]\r\n}'
    )
    seen = read_by_the_script(
        tmp_path, "ds_config.json", before, {"micro": "batch_size", "stages.1.n": "num_samples"}
    )
    assert seen == before.replace(b"3", b"6").replace(b'"n": 0', b'"n": 2000')
    assert json.loads(seen.decode("utf-8-sig"))["optimizer"]["params"]["lr"] == 1e-5


def test_constants_are_written_as_they_are_in_every_trial_and_are_no_words(tmp_path):
    before = b"ttc: {enabled: true, name: x}\nlr: 1e-3 # kept\nstop: 5\nmicro: 3\n"
    constants = {"ttc.enabled": False, "ttc.name": "micro", "stop": None, "lr": 0.5}
    seen = read_by_the_script(tmp_path, "t.yaml", before, {"micro": "batch_size"}, constants=constants)
    assert seen == b'ttc: {enabled: false, name: "micro"}\nlr: 0.5 # kept\nstop: null\nmicro: 6\n'


def test_a_constant_that_the_file_lacks_is_refused_unless_it_may_be_created(tmp_path):
    before, constants = b"ttc: {enabled: true}\n", {"ttc.on": 1, "ttc.enabled": True}
    with pytest.raises(ValueError, match=r"patch or constants: .* there is no key 'ttc\.on' in it"):
        read_by_the_script(tmp_path, "t.yaml", before, {}, constants=constants)
    created = read_by_the_script(tmp_path, "t.yaml", before, {}, constants=constants, create=True)
    assert yaml.safe_load(created) == {"ttc": {"enabled": True, "on": 1}}


def test_yaml_keeps_what_yaml_1_1_and_1_2_read_differently_and_its_line_ends(tmp_path):
    before = (
        b"micro: 3 # \xc3\xbc\r\nwalltime: 10:30:00\r\ncompile: off\r\nmode: on\r\nzip: 0777\r\n"
        b"callbacks:\r\n- a\r\n- {x: 1}\r\naccum:\r\n"
    )
    seen = read_by_the_script(
        tmp_path,
        "train.yaml",
        before,
        {"micro": "batch_size", "callbacks.1.x": "python", "accum": "batch_size"},
    )
    python = f'"{sys.executable}"'.encode()
    assert seen == before.replace(b"3 ", b"6 ").replace(b"x: 1", b"x: " + python).replace(b"m:\r", b"m: 6\r")
    by_1_2 = YAML(typ="safe").load(seen.decode())
    assert (by_1_2["walltime"], by_1_2["mode"], by_1_2["micro"]) == ("10:30:00", "on", 6)
    assert yaml.safe_load(seen)["accum"] == 6


def test_a_value_may_be_a_template_and_a_word_alone_keeps_its_type(tmp_path):
    before = b"log: runs/log.jsonl\nbatch: 3\nalso: 3\nname: x\nliteral: x\n"
    patch = {
        "log": "{dir}/log.jsonl",
        "batch": "batch_size",
        "also": "{batch_size}",
        "name": "b{batch_size}",
        "literal": "{{batch_size}}",
    }
    seen = yaml.safe_load(read_by_the_script(tmp_path, "train.yaml", before, patch))
    (folder,) = tmp_path.glob("logs/trial-*")
    assert seen == {
        "log": f"{folder}/log.jsonl",
        "batch": 6,
        "also": 6,
        "name": "b6",
        "literal": "{batch_size}",
    }


INCLUDES = (
    "import json, pathlib, sys, yaml\n"
    "def load(path):\n"
    "    own = yaml.safe_load(path.read_text())\n"
    "    base = load(path.parent / own.pop('include')) if 'include' in own else {}\n"
    "    return {k: {**base.get(k, {}), **own.get(k, {})} for k in {**base, **own}}\n"
    "print(json.dumps({'nrmse': 1, 'loss': 0, 'seen': load(pathlib.Path(sys.argv[1]))}))\n"
)
"""Reads its configuration as scripts do that lay a file over the one it includes."""


def test_a_key_of_an_included_file_is_overridden_and_the_copy_finds_what_it_includes(tmp_path):
    (tmp_path / "parts").mkdir()
    main = "include: parts/base.yaml\ntraining:\n  micro: 3\n\nlogging: {run: x}\n"
    (tmp_path / "main.yaml").write_text(main)
    (tmp_path / "parts/base.yaml").write_text("include: deep.yaml\ntraining: {taus: 5}\n")
    (tmp_path / "parts/deep.yaml").write_text("stage: {batch_size: 4, mode: 'yes'}\n")
    patch = {"training.micro": "batch_size", "stage.batch_size": "batch_size", "training.taus": "batch_size"}
    config = trial(
        tmp_path, INCLUDES, "{config}", num_epochs=1, config=str(tmp_path / "main.yaml"), patch=patch
    )
    CommandStage.check_parameters(config["stage"], ["batch_size"], [])
    CommandStage.prepare(config["stage"])
    reports(config)
    assert json.loads(output_of(tmp_path))["seen"] == {
        "training": {"micro": 6, "taus": 6},
        "stage": {"batch_size": 6, "mode": "yes"},
        "logging": {"run": "x"},
    }
    (copy,) = tmp_path.glob("logs/trial-*/main.yaml")
    assert copy.read_text() == (
        "include: parts/base.yaml\ntraining:\n  micro: 6\n  taus: 6\n\nlogging: {run: x}\n"
        "stage:\n  batch_size: 6\n"
    )
    assert (copy.parent / "parts/deep.yaml").read_bytes() == (tmp_path / "parts/deep.yaml").read_bytes()
    assert (tmp_path / "main.yaml").read_text() == main
    options = {"command": ["x"], "config": str(tmp_path / "main.yaml")}
    before, named = CommandStage.quality_options(options), CommandStage.source_files(options)
    assert tmp_path / "parts/deep.yaml" in named
    (tmp_path / "parts/deep.yaml").write_text("stage: {batch_size: 5}\n")
    assert CommandStage.quality_options(options) != before


def test_an_include_that_the_copy_would_not_find_is_refused(tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "base.yaml").write_text("a: 1\n")
    (tmp_path / "train/main.yaml").write_text("include: ../base.yaml\nb: 1\n")
    options = {"command": ["{python}", "-c", "", "{config}"], "config": str(tmp_path / "train/main.yaml")}
    with pytest.raises(ValueError, match=r"Fix: move .*base\.yaml, which it includes, into the same folder"):
        CommandStage.prepare(options)


def test_a_key_that_is_missing_is_added_to_its_section_where_that_is_asked_for(tmp_path):
    (tmp_path / "c.yaml").write_text("train:\n  micro: 3\n\nlog: {}\n")
    options = {"command": ["{python}", "-c", "", "{config}"], "config": str(tmp_path / "c.yaml")}
    options |= {"patch": {"train.taus": "batch_size"}}
    with pytest.raises(ValueError, match=r"there is no key 'train\.taus'"):
        CommandStage.prepare(options)
    config = trial(
        tmp_path, COPIES, "{config}", str(tmp_path / "seen"), num_epochs=1, **options | {"create": True}
    )
    config["stage"]["command"] = ["{python}", str(tmp_path / "script.py"), "{config}", str(tmp_path / "seen")]
    CommandStage.prepare(config["stage"])
    reports(config)
    assert (tmp_path / "seen").read_text() == "train:\n  micro: 3\n  taus: 6\n\nlog: {}\n"


def test_a_file_of_any_format_is_copied_when_nothing_in_it_is_patched(tmp_path):
    content = b"[train]\nlr = 1e-5\n\xff: [\n"
    assert read_by_the_script(tmp_path, "train.toml", content, {}) == content


SHARED = "train: &loader {batch_size: 6, micro: 3}\neval: *loader\n"


@pytest.mark.parametrize(
    ("name", "content", "key", "words"),
    [
        (
            "c.yaml",
            SHARED,
            "train.batch_size",
            "c.yaml:1: the value of train.batch_size is used elsewhere too",
        ),
        ("c.yaml", SHARED, "eval.batch_size", "Fix: write the values out where the alias stands"),
        ("c.yaml", "a: 1\n", "b", "c.yaml: there is no key 'b' in it. Fix: correct the key, or add it"),
        ("c.json", '{"a": {"b": 1}, "a": {"b": 2}}', "a.b", "c.json:1: the key a is repeated"),
        ("c.json", "{'a': 1}", "a", "c.json:1: it is not JSON: Expecting property name"),
        ("c.yaml", "a: \xff".encode("latin-1"), "a", "save it as UTF-8 text"),
        ("trial.json", '{"a": 1}', "a", "give the file another name"),
    ],
)
def test_a_file_that_cannot_be_patched_is_refused_before_anything_runs(tmp_path, name, content, key, words):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    options = {
        "command": ["{python}", "-c", "", "{config}"],
        "config": str(path),
        "patch": {key: "batch_size"},
    }
    for refused in (
        lambda: CommandStage.check_parameters(options, ["batch_size"], []),
        lambda: CommandStage.prepare(options),
    ):
        with pytest.raises(ValueError, match="Fix: ") as raised:
            refused()
        assert words in str(raised.value)


def test_a_file_that_only_the_workers_have_is_left_to_them(tmp_path):
    options = {
        "command": ["{python}", "-c", "", "{config}"],
        "config": str(tmp_path / "there.yaml"),
        "patch": {"a": "batch_size"},
    }
    CommandStage.check_parameters(options, ["batch_size"], [])
    with pytest.raises(ValueError, match=r"there\.yaml.*name a file that can be read"):
        CommandStage.prepare(options)
