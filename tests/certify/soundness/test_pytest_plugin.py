"""The fixture `assert_sound`, in pytest runs of its own; and runs without it are left alone."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PLUGIN = "certify.soundness.pytest_plugin"

TESTS = """
import numpy as np

def naive(scores, kept):
    weights = np.exp(scores - scores.max())
    return 1 - (weights / weights.sum())[kept].sum()

def test_broken(assert_sound):
    assert_sound(naive, rows=2000)

def test_sound(assert_sound):
    found = assert_sound(lambda scores, kept: 1.0, rows=2000)
    assert found.rows_tried == 2000

def test_bad_call(assert_sound):
    assert_sound(lambda scores, kept: float("nan"), rows=2000)
"""


def run_pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A pytest run with this plugin alone, every warning an error."""
    command = [sys.executable, "-m", "pytest", "-W", "error", "-p", PLUGIN, *arguments]
    environment = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_fixture(tmp_path: Path) -> None:
    (tmp_path / "test_kernels.py").write_text(TESTS)
    ran = run_pytest(tmp_path, "-rf")
    assert ran.returncode == 1, ran.stderr
    assert "2 failed, 1 passed" in ran.stdout
    for words in (
        "naive claims τ ≤ 0.26894140243530273 on a row of 2 keys",
        "0x1.0000000000000p+0",
        "truth      τ in [0.26894142136999512074, ",
        "from test_kernels import naive as kernel",
        "returns NaN: NaN is no bound",
    ):
        assert words in ran.stdout, ran.stdout
    database = tmp_path / ".pytest_cache" / "d" / "certify-soundness" / "past-failures.json"
    assert "test_kernels:naive" in database.read_text()


def test_without_a_cache(tmp_path: Path) -> None:
    (tmp_path / "test_kernels.py").write_text(TESTS)
    ran = run_pytest(tmp_path, "-p", "no:cacheprovider", "-k", "broken")
    assert "1 failed" in ran.stdout
    assert not (tmp_path / ".pytest_cache").exists()


def test_runs_that_do_not_use_it_are_left_alone(tmp_path: Path) -> None:
    """Nothing but the standard library and pytest is loaded for them."""
    (tmp_path / "test_other.py").write_text(
        "import sys\n\ndef test_light():\n"
        "    heavy = {'numpy', 'mpmath', 'hypothesis', 'rich', 'jinja2', 'numba'} & set(sys.modules)\n"
        "    assert 'certify.soundness.pytest_plugin' in sys.modules\n"
        "    assert not heavy, heavy\n"
    )
    ran = run_pytest(tmp_path)
    assert ran.returncode == 0, ran.stdout
    assert "1 passed" in ran.stdout


def test_the_entry_point_names_the_plugin() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"certify_soundness": PLUGIN}


def test_pytest_finds_it_by_its_entry_point_in_this_environment(pytestconfig: pytest.Config) -> None:
    """Where an installed package has the entry point, the plugin is there without being asked for."""
    from importlib.metadata import entry_points

    installed = [point for point in entry_points(group="pytest11") if point.name == "certify_soundness"]
    assert all(point.value == PLUGIN for point in installed)
    assert bool(installed) == pytestconfig.pluginmanager.has_plugin("certify_soundness")
