"""The kernel's count of processes that it killed for memory."""

import pytest

from foundation.oom_kills import count_oom_kills


@pytest.mark.parametrize(
    ("cgroup", "path", "text"),
    [
        ("0::/pod/x\n", "cgroup/pod/x/memory.events", "oom 9\noom_kill 3\n"),
        ("8:pids:/\n4:memory:/y\n0::/\n", "cgroup/memory/y/memory.oom_control", "under_oom 0\noom_kill 3\n"),
        ("0::/gone\n", "proc/vmstat", "nr_free 1\noom_kill 3\n"),
    ],
)
def test_kills_for_memory_are_counted_by_cgroup_or_else_by_machine(tmp_path, cgroup, path, text):
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(cgroup)
    (tmp_path / "proc/vmstat").write_text("oom_kill 7\n")
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text(text)
    assert count_oom_kills(tmp_path / "proc", tmp_path / "cgroup") == 3
