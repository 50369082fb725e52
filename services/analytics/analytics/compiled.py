"""The fold as machine code, where somebody compiled exactly these sources for exactly this Python (docs/adr/0010).

What was compiled lies under a key made of the sources, so code that is out of date is never found; then, and where
nothing was compiled, the same sources are interpreted. HEED_COMPILED=0 has them interpreted in any case, a directory
has that one used.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

PACKAGE = Path(__file__).parent
COMPILED = PACKAGE.parent / ".compiled"
_SUFFIX = EXTENSION_SUFFIXES[0]
_CORE = "activity customers episodes events flows fold merging noticing orders pending profile sections separating"
_REST = "standing timers visits wording"
_WHOLE = ("operators", "forecasts")  # packages all modules of which are compiled


def sources() -> list[Path]:
    """What is worth compiling: all that an event runs through."""
    whole = (path for name in _WHOLE for path in (PACKAGE / name).glob("*.py") if path.stem != "__init__")
    return sorted([*(PACKAGE / f"{name}.py" for name in f"{_CORE} {_REST}".split()), *whole])


def directory() -> Path:
    """Where these sources are, compiled for this Python. All of the package counts: modules know each other's types."""
    key = blake2b(sys.version.encode(), digest_size=12)
    for path in sorted(PACKAGE.rglob("*.py")):
        key.update(path.relative_to(PACKAGE).as_posix().encode())
        key.update(path.read_bytes())
    return COMPILED / key.hexdigest()


def use() -> None:
    """Has the modules found compiled that are."""
    found = _wanted()
    if found is not None and found.is_dir():
        files = {_module(path.relative_to(found)): path for path in found.rglob(f"*{_SUFFIX}")}
        sys.meta_path.insert(0, _Finder(files))


def used() -> bool:
    """Whether the modules are found compiled."""
    return any(isinstance(finder, _Finder) for finder in sys.meta_path)


def out_of_date() -> bool:
    """Whether something was compiled, and is not used because the sources changed."""
    return COMPILED.is_dir() and os.environ.get("HEED_COMPILED") != "0" and not used()


def _wanted() -> Path | None:
    said = os.environ.get("HEED_COMPILED", "")
    if said:
        return Path(said) if said != "0" else None
    return directory() if COMPILED.is_dir() else None


def _module(path: Path) -> str:
    return ".".join(path.parts).removesuffix(_SUFFIX)


class _Finder:
    """Finds modules by name; asked by the import system before all others."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = files

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        file = self._files.get(name)
        return None if file is None else spec_from_file_location(name, file)
