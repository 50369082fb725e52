"""What is needed besides Python packages: system programs, the broker's jars, the console's assets."""

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from heed.platform.errors import PlatformError
from heed.platform.kafka import archive_classes
from heed.platform.layout import PROJECT, default_layout

# Program → Debian package.
PACKAGES = {
    "java": "openjdk-17-jre-headless",
    "mvn": "maven",
    "node": "nodejs",
    "npm": "npm",
    "chromium": "chromium",
    "promtool": "prometheus",
}
TEST_PROGRAMS = ("chromium", "promtool")
CONSOLE = PROJECT / "services" / "console"

Tell = Callable[[str], None]


def ensure_programs(names: Sequence[str], tell: Tell) -> None:
    """Install the missing ones of these programs with apt-get where we may.

    Raises:
        PlatformError: we may not or it failed; the message is the command that does it.
    """
    missing = sorted({PACKAGES[name] for name in names if shutil.which(name) is None})
    if not missing:
        return
    command = f"apt-get update && apt-get install -y --no-install-recommends {' '.join(missing)}"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise PlatformError(
            f"These are missing: {', '.join(missing)}. Install them, on Debian with: sudo sh -c '{command}'"
        )
    tell(f"installing {', '.join(missing)}")
    _run(["sh", "-c", command], PROJECT, {"DEBIAN_FRONTEND": "noninteractive"})


def install(tell: Tell, *, for_tests: bool = False) -> None:
    """Install what is missing for `heed run`, and for the tests where asked. Raises PlatformError."""
    layout = default_layout()
    pom = layout.kafka_config / "pom.xml"
    ensure_programs(["java", *(TEST_PROGRAMS if for_tests else [])], tell)
    if not jars_are_current(layout.kafka_lib, pom):
        ensure_programs(["mvn"], tell)
        tell("fetching Apache Kafka")
        install_jars(layout.kafka_lib, pom)
        archive_classes(layout.kafka_lib, layout.kafka_config)
    if not assets_are_current():
        ensure_programs(["node", "npm"], tell)
        tell("fetching the console's assets")
        _run(["npm", "ci", "--no-audit", "--no-fund"], CONSOLE, {})
    tell("everything is installed")


def install_jars(lib: Path, pom: Path) -> None:
    """Fetch the broker's jars with Maven; nothing happens when those that the pom names are there."""
    if jars_are_current(lib, pom):
        return
    lib.mkdir(parents=True, exist_ok=True)
    for old in (*lib.glob("*.jar"), *lib.glob("*.jsa*")):
        old.unlink()
    _run(["mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies", f"-DoutputDirectory={lib}"], PROJECT, {})
    (lib / "pom.xml").write_bytes(pom.read_bytes())


def jars_are_current(lib: Path, pom: Path) -> bool:
    """Say whether the jars are those that the pom names."""
    stamp = lib / "pom.xml"
    return stamp.exists() and stamp.read_bytes() == pom.read_bytes()


def assets_are_current() -> bool:
    """Say whether the console's node_modules are as its lock file says (or it has none)."""
    lock = CONSOLE / "package-lock.json"
    installed = CONSOLE / "node_modules" / ".package-lock.json"
    return not lock.exists() or (installed.exists() and installed.stat().st_mtime >= lock.stat().st_mtime)


def _run(command: Sequence[str], directory: Path, env: dict[str, str]) -> None:
    done = subprocess.run(  # noqa: S603 - the commands above
        command, cwd=directory, env=os.environ | env, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise PlatformError(f"{' '.join(command)} failed:\n{(done.stdout + done.stderr)[-3000:]}")
