"""README and documentation are true: commands, flags, files, links and YAML exist, and the site builds."""

import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from textwrap import dedent

import pandas
import pytest
import yaml

from docs.generate import measured, pages, unit
from tests.browser import needs_chromium, open_browser
from tests.pages import follow
from tests.pipeline import copy_pipeline
from tests.processes import ROOT
from tests.studies import make_study, shipped
from tuner.commands import COMMANDS, machine
from tuner.core.measurement import Measurement
from tuner.report.trials_table import COLUMNS, trials_csv
from tuner.run import main, make_parser
from tuner.runs import follower
from tuner.runs.result import RunResult
from tuner.spec import study_as_yaml, study_from_text

README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def page_id(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def commands_of(page: Path) -> list[str]:
    """Lines of code blocks, indented or fenced, that call the command line; without their comments."""
    text = page.read_text()
    lines = indented(text)
    for block in re.findall(r"^```(?:sh|bash)\n(.*?)^```", text, re.M | re.S):
        lines += block.splitlines()
    return [line.split("  #")[0].rstrip() for line in lines if re.search(r"python -m tuner\.run\b", line)]


def indented(text: str) -> list[str]:
    """Lines of indented code blocks; fences hold other things."""
    return re.findall(r"^    (\S.*)$", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M)


def words_of(command: str) -> list[str]:
    """Returns the words that `python -m tuner.run` is given."""
    given = shlex.split(re.split(r"python -m tuner\.run\b", command)[1])
    return given[: given.index(">")] if ">" in given else given


SAID_BY_THE_PARSERS = ROOT / "docs/reference/command-line.md"
COMMAND_LINES = sorted({line for page in PAGES if page != SAID_BY_THE_PARSERS for line in commands_of(page)})
MENTIONED = {
    line for page in PAGES for line in re.findall(r"`(python -m tuner\.run [^`]+)`", page.read_text())
}
PLACEHOLDERS = re.compile(r"COMMAND|\.\.\.|seed k|\n")


def test_every_make_target_it_names_is_in_the_makefile():
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^ +make (\w+)|`make (\w+)", README, re.M))
    named = {first or second for first, second in targets}
    assert named == {"tune", "test", "check", "chaos", "coverage", "docs"}
    assert all(re.search(rf"^{target}:", makefile, re.M) for target in named)
    assert "$(BIN)/python -m tuner.run --space $(SPACE)" in makefile


def test_every_flag_it_names_is_one_of_the_command_line():
    options = {option for name in ("", *COMMANDS) for option in make_parser(name)._option_string_actions}
    named = set(re.findall(r"(?<![\w-])(--[a-z][a-z-]+)", README)) - {"--working-dir"}
    assert named
    assert named <= options


def test_its_commands_are_those_of_the_command_line():
    section = re.search(r"^## The command line\n(.*?)^## ", README, re.M | re.S)
    assert section is not None
    named = set(re.findall(r"^\| `([a-z-]+)[ `]", section[1], re.M))
    assert named - {"python"} == set(COMMANDS) - {"run", "list-spaces"}


def test_every_flag_of_the_command_line_is_explained_in_its_help():
    assert all(action.help for action in make_parser()._actions)


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_relative_link_leads_somewhere(page: Path):
    for target in re.findall(r"\]\((?!https?://)([^)#\s]+)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_its_yaml_is_part_of_the_shipped_cpu_study():
    block = re.search(r"```yaml\n(.*?)```", README, re.S)
    assert block is not None
    shown = yaml.safe_load(block[1])
    shipped = yaml.safe_load((ROOT / "search_spaces/cpu.yaml").read_text())
    assert set(shown.pop("constraints")) <= set(shipped["constraints"])
    assert shown.pop("baseline").items() <= shipped["baseline"].items()
    assert shown == {key: shipped[key] for key in shown}


def test_its_table_of_files_is_what_a_run_writes():
    rows = re.findall(r"^\| (`[a-z0-9./]+\.[a-z0-9/]+`.*?|`errors/`) \|", README, re.M)
    files = {name for row in rows for name in re.findall(r"`([a-z0-9./]+)`", row)}
    assert files == {
        *("recommended.yaml", "certificate.json", "result.json", "summary.txt", "report.html"),
        *("trials.csv", "trials.parquet", "journal.jsonl", "study.yaml", "errors/"),
        *("optuna.sqlite3", "tensorboard/", "wandb/", "outputs.log"),
    }


@pytest.mark.parametrize(
    "line", [*COMMAND_LINES, *sorted(line for line in MENTIONED if not PLACEHOLDERS.search(line))]
)
def test_every_command_of_every_page_is_one_of_the_command_line(line):
    words = words_of(line)
    named = words[0] if words and not words[0].startswith("-") else ""
    make_parser(named).parse_args(words[1:] if named else words)


@pytest.fixture(scope="module")
def asked_once():
    """What several commands ask of this machine is asked once: each question imports torch or Ray."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machine, "_ask", cache(machine._ask))
        yield


CHEAP = ("--plan", "--list-spaces", "list-spaces", "schema", "doctor", "init")


@pytest.mark.parametrize(
    "line", [line for line in COMMAND_LINES if set(CHEAP) & set(words_of(line)) and "mine.yaml" not in line]
)
def test_what_costs_nothing_runs(line, tmp_path, monkeypatch, asked_once):
    for name in ("docs", "search_spaces"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(copy_pipeline(tmp_path) if "study.yaml" in line else tmp_path)
    assert main(words_of(line)) == 0


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_study_of_every_page_loads(page):
    blocks = re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.M | re.S)
    for text in blocks:
        if "stage" in yaml.safe_load(text):
            study_from_text(text.encode(), label=page.name)


PARTS = [
    (page.relative_to(ROOT).as_posix(), number, text)
    for page in PAGES
    for number, text in enumerate(re.findall(r"^```yaml-part\n(.*?)^```", page.read_text(), re.M | re.S))
]


@pytest.mark.parametrize(("page", "number", "text"), PARTS, ids=[f"{page}-{k}" for page, k, _ in PARTS])
def test_every_part_of_a_study_is_one(page, number, text):
    """Each part replaces the shipped A100 study's own; an indented part belongs to its stage."""
    study = yaml.safe_load((ROOT / "search_spaces/a100.yaml").read_text())
    part = yaml.safe_load(dedent(text))
    place = study["stage"] if text.startswith("  ") else study
    place.update(part)
    loaded = study_from_text(yaml.safe_dump(study, sort_keys=False).encode(), label=page)
    written = yaml.safe_load(study_as_yaml(loaded))
    kept = written["stage"] if place is not study else written
    assert part.keys() <= kept.keys()


def test_there_is_no_other_yaml_that_nothing_loads():
    fences = [re.findall(r"^```(yaml\S*)", page.read_text(), re.M) for page in PAGES]
    assert {name for names in fences for name in names} == {"yaml", "yaml-part"}
    bare = [
        page_id(page)
        for page in PAGES
        for text in re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.M | re.S)
        if "stage" not in yaml.safe_load(text)
    ]
    assert bare == ["README.md"], "compared with the shipped CPU study above"


@pytest.fixture(scope="module")
def certified_run(tmp_path_factory):
    """A folder where runs/last is what the certificate's page says to run, simulated and cut short.

    The study of that name has few pairs, which a wide margin makes firm, and the sinks that the page on
    outputs reads.
    """
    folder = tmp_path_factory.mktemp("certified")
    page = ROOT / "docs/explanation/certificate.md"
    (line,) = (line for line in commands_of(page) if "--space" in line)
    assert "--certify" in line
    study = shipped("cpu.yaml")
    study = replace(
        study,
        certificate=replace(study.certificate, pairs=4, nrmse_margin_pct=20),
        outputs=replace(study.outputs, optuna="sqlite", parquet=True),
    )
    (folder / "cpu.yaml").write_text(study_as_yaml(study))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        # the report is half of the time, and nobody asks for it here
        patch.setattr("tuner.report.outputs.try_report", lambda *_: "")
        # on a busy machine the sinks may take longer than a run waits for them
        patch.setattr(follower, "WAIT_S", 120.0)
        patch.setattr(follower, "PATIENCE_S", 120.0)
        assert main([*words_of(line), "--simulate", "--trials", "8", "--quiet"]) == 0
    return folder


def test_what_the_certificates_page_says_to_run_ends_in_a_firm_verdict(certified_run):
    """The page's other command continues a real run: tests/ray_adapter/test_certify.py."""
    told = json.loads((certified_run / "runs/last/certificate.json").read_text())
    assert told["verdict"] in ("simulated: would be certified", "simulated: would not be certified")


def test_the_scripts_of_the_page_on_outputs_say_what_the_result_says(certified_run, monkeypatch, capsys):
    monkeypatch.chdir(certified_run)
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs/outputs.md").read_text(), re.M | re.S)
    by_optuna, by_pandas = {}, {}
    with pandas.option_context("display.max_rows", None):
        for block, names in zip(blocks, (by_optuna, by_pandas), strict=True):
            exec(block, names)  # noqa: S102  # code of our own page
    printed = capsys.readouterr().out
    result = json.loads(Path("runs/last/result.json").read_text())
    assert result["sentence"] in printed
    best = by_optuna["study"].best_trials
    assert best
    assert all(trial.values[1] < 0.095 and trial.user_attrs["trial_id"] in printed for trial in best)
    complete = by_pandas["trials"].query("state == 'complete'")
    assert len(complete) >= len(best)
    assert {f"{nrmse:.6f}" for nrmse in complete.nrmse} <= set(re.findall(r"\b0\.\d{6}\b", printed))


def test_the_study_of_the_tutorial_is_the_example():
    text = (ROOT / "docs/tutorial/own-script.md").read_text()
    assert f"```yaml\n{(ROOT / 'docs/examples/pipeline/study.yaml').read_text()}```" in text


@pytest.mark.parametrize("name", ["first-run", "own-script"])
def test_a_tutorial_can_be_followed_literally_but_for_the_training_which_is_simulated(
    name, tmp_path, monkeypatch, capsys, asked_once
):
    """Every command in its order; what trains is simulated, and what is simulated is exported by force.

    Its runs are written nowhere else: tests/sinks are about that.
    """
    monkeypatch.setattr(follower, "wanted_names", lambda *_, **__: ())
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    text = (ROOT / f"docs/tutorial/{name}.md").read_text()
    lines = [line for line in indented(text) if line != "source .venv/bin/activate"]
    assert len(lines) >= 6
    monkeypatch.chdir(tmp_path)
    said = []
    for line in lines:
        real = re.sub(r"^make tune$", "python -m tuner.run --space cpu.yaml", line)
        if "--space" in real and "--plan" not in real and "doctor" not in real:
            real += " --simulate"
        elif "export" in real:
            real += " --force"
        said.append((line, follow(real, capsys)))
    before, after = (told for line, told in said if line == "python evaluate.py")
    shown = re.findall(r"^```text\n(.*?)^```", text, re.M | re.S)
    assert before in shown
    metrics = json.loads(after.partition("\n")[2])["metrics"]
    assert metrics["rmse"] / metrics["target_rms"] < 0.095
    log, later = (re.findall(r'"loss": ([0-9.]+)', told) for line, told in said if line.startswith("tail"))
    assert log == re.findall(r'"loss": ([0-9.]+)', next(block for block in shown if '"loss"' in block))
    assert len(log) == 3
    assert log != later
    assert (tmp_path / "pipeline/train_config.yaml.bak").exists()
    told = dict(said)
    if name == "own-script":
        assert told["python -m tuner.run --space study.yaml --plan"] in shown
        is_as_shown(next(block for block in shown if block.startswith("ok ")), told[TRY])


TRY = "python -m tuner.run doctor --space study.yaml --try"


def is_as_shown(shown: str, said: str) -> None:
    """Checks that a report of `doctor` has the lines of the page, but for figures, paths and disturbance."""

    def plain(text: str) -> list[str]:
        lines = [
            line for line in text.splitlines() if re.match(r"ok +(config|reports|read|unread|memory)", line)
        ]
        return [re.sub(r"\S*/\S+|[0-9][0-9.]*", "_", line) for line in lines]

    assert plain(shown) == plain(said)
    assert len(plain(shown)) == 11
    assert said.splitlines()[-1] == shown.splitlines()[-1] == "ready: python -m tuner.run --space study.yaml"


@pytest.mark.parametrize("name", sorted(pages()))
def test_the_reference_is_what_the_code_says(name):
    assert (ROOT / "docs/reference" / name).read_text() == pages()[name], "remake: python -m docs.generate"


def test_every_figure_of_a_report_and_every_column_is_described_with_its_unit():
    assert list(measured()) == ["done", *Measurement.__dataclass_fields__]
    nothing_run = RunResult(study=make_study(), records=(), provenance={}, admitted={})
    columns = trials_csv(nothing_run).splitlines()[0].split(",")
    assert set(columns) <= set(COLUMNS) | set(Measurement.__dataclass_fields__)
    assert set(COLUMNS) <= set(columns)
    assert unit("gpu_util_pct") == "percent, 0 to 100"
    with_unit = [name for name in (*columns, *measured()) if re.search(r"_(s|gib|pct|j|w|c|mhz)$", name)]
    assert all(unit(name) for name in with_unit)


def test_every_key_of_the_study_file_has_a_meaning():
    rows = re.findall(r"^\| `\w+` \|.*\| (.*) \|$", pages()["study-file.md"], re.M)
    assert len(rows) > 50
    assert all(len(meaning) > 3 for meaning in rows)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The documentation as `make docs` builds it."""
    folder = tmp_path_factory.mktemp("docs") / "site"
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    makefile = (ROOT / "Makefile").read_text()
    assert "-m docs.generate" in makefile
    assert "mkdocs build --quiet --strict" in makefile
    return folder


def test_the_site_builds_strictly_and_asks_nothing_of_the_network(site):
    html = {path: path.read_text() for path in site.rglob("*.html")}
    assert len(html) >= len(PAGES)
    fetched = r"""<(?:script|img|iframe|link)\b[^>]*?(?:src|href)=["']?(?:https?:)?//"""
    assert [path.name for path, text in html.items() if re.search(fetched, text)] == []
    for page in ("index", "tutorial/first-run", "reference/metrics", "explanation/certificate"):
        assert (site / f"{page}.html").exists()


@needs_chromium
def test_its_search_works_from_a_disk(site, tmp_path):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.wait import WebDriverWait

    with open_browser(tmp_path, "1400,900") as driver:
        driver.get((site / "tutorial/first-run.html").as_uri())
        wait = WebDriverWait(driver, 30)
        field = wait.until(lambda d: d.find_element(By.CSS_SELECTOR, "input.md-search__input"))
        field.click()
        field.send_keys("certificate")
        found = wait.until(lambda d: d.find_elements(By.CSS_SELECTOR, ".md-search-result__item h1"))
        assert "What the certificate means" in [item.get_property("textContent") for item in found]


def test_the_architecture_names_modules_that_exist_and_the_layers_that_are_checked():
    text = (ROOT / "docs/architecture.md").read_text()
    named = set(re.findall(r"`((?:tuner|trainables|core|runs|search|certificate)/[\w/]+\.py)`", text))
    assert len(named) > 15
    missing = [name for name in named if not ((ROOT / name).exists() or (ROOT / "tuner" / name).exists())]
    assert missing == []
    layers = re.search(r"^layers = \[(.*?)\]", (ROOT / "pyproject.toml").read_text(), re.M | re.S)
    assert layers is not None
    rooms = set(re.findall(r"\w+", layers[1]))
    assert rooms <= set(re.findall(r"`(\w+)`", text))


@pytest.mark.parametrize("module", ["tuner.advisor", "tuner.core.study"])
def test_importing_the_advisor_or_a_study_loads_no_scipy_pydantic_yaml_optuna_or_ray(module):
    heavy = ["scipy", "pydantic", "yaml", "ruamel", "optuna", "ray", "torch"]
    code = f"import sys, {module}; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "[]\n"
