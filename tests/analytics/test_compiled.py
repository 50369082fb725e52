"""What was compiled is used for exactly the sources it was made of."""

import sys
from pathlib import Path

import pytest

from analytics import compiled


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of one module, which was compiled; the finders are put back."""
    package = tmp_path / "analytics"
    package.mkdir()
    (package / "fold.py").write_text("ONE = 1")
    monkeypatch.setattr(compiled, "PACKAGE", package)
    monkeypatch.setattr(compiled, "COMPILED", tmp_path / ".compiled")
    monkeypatch.setattr(sys, "meta_path", [])
    monkeypatch.delenv("HEED_COMPILED", raising=False)
    made = compiled.directory() / "analytics" / f"fold{compiled._SUFFIX}"
    made.parent.mkdir(parents=True)
    made.touch()
    return package


def test_modules_are_found_compiled(package: Path) -> None:
    compiled.use()
    (finder,) = sys.meta_path
    spec = finder.find_spec("analytics.fold", None)
    assert spec is not None
    assert spec.origin == str(compiled.directory() / "analytics" / f"fold{compiled._SUFFIX}")
    assert finder.find_spec("analytics.trainer", None) is None


def test_what_was_compiled_of_other_sources_is_not_used(package: Path) -> None:
    (package / "fold.py").write_text("ONE = 2")
    compiled.use()
    assert sys.meta_path == []


def test_a_new_module_makes_it_other_sources(package: Path) -> None:
    (package / "flows.py").write_text("")
    compiled.use()
    assert sys.meta_path == []


def test_it_can_be_turned_off(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEED_COMPILED", "0")
    compiled.use()
    assert sys.meta_path == []


def test_all_that_is_worth_compiling_is_there() -> None:
    assert all(path.is_file() for path in compiled.sources())
