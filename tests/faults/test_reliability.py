"""`docs/reliability.md` names every test of a fault, and no test that does not exist."""

import ast
import re

from tests.processes import ROOT

PAGE = ROOT / "docs/reliability.md"
LINK = r"\[(?P<text>\w+)\]\(\.\./(?P<file>tests/(?:\w+/)+test_(?P=text)\.py) \"(?P<name>test_\w+)\"\)"
ROW = re.compile(rf"^\|(?P<cells>.*)\| {LINK} \|$")
"""The link shows the file's short name, so that the table is narrow, and the test's name as its title."""

LEAST = 40


def rows():
    lines = PAGE.read_text().splitlines()
    return [match for line in lines if (match := ROW.match(line))]


def named():
    return {f"{row['file']}::{row['name']}" for row in rows()}


def facts_of(path):
    return {
        f"{path.relative_to(ROOT)}::{node.name}"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_every_row_of_its_tables_says_all_and_names_a_test():
    for line in PAGE.read_text().splitlines():
        if line.startswith("|") and not line.startswith(("| Fault |", "| ---")):
            match = ROW.match(line)
            assert match, line
            cells = [cell.strip() for cell in match["cells"].split("|")]
            assert len(cells) == 3, line
            assert all(cells), line


def test_the_tests_that_it_names_exist():
    existing = {test for name in {row["file"] for row in rows()} for test in facts_of(ROOT / name)}
    assert named() <= existing


def test_it_names_every_test_of_a_fault():
    faults = set().union(*map(facts_of, (ROOT / "tests/faults").glob("test_*.py")))
    faults -= facts_of(ROOT / "tests/faults/test_reliability.py")
    assert faults <= named()
    assert len(faults) >= LEAST
