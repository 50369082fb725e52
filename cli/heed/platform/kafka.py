"""Apache Kafka as one KRaft node, run from its jars."""

import subprocess
import uuid
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from heed.platform.errors import PlatformError
from heed.platform.ports import LOOPBACK, free_ports, is_listening
from heed.platform.process import Child, Program, base_env

# Serial collector and a small heap: the whole system shares one small machine.
JVM_FLAGS = ("-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:MaxMetaspaceSize=128m", "-Xss256k")
# Classes as the JVM holds them after loading: with it a start takes half the processor time.
CLASS_ARCHIVE = "kafka.jsa"
ARCHIVING_TIMEOUT = 120.0


@dataclass(frozen=True)
class Kafka:
    """A node: where its jars, configuration and data lie, and the port its clients use."""

    lib: Path
    config: Path
    data: Path
    log: Path
    port: int
    java_options: tuple[str, ...] = ()

    @property
    def bootstrap(self) -> str:
        """What clients call `bootstrap.servers`."""
        return f"{LOOPBACK}:{self.port}"

    def child(self) -> Child:
        """Prepare the data directory (formatted once) and return the process, not started yet.

        The controller's port is internal, so each start takes a free one.
        """
        self.data.mkdir(parents=True, exist_ok=True)
        properties = self._write_properties(controller_port=free_ports(1)[0])
        if not (self.data / "log" / "meta.properties").exists():
            self._format(properties)
        return Child(
            Program(
                name="kafka",
                argv=[*self._java(), *self._class_sharing(), "kafka.Kafka", str(properties)],
                env=base_env(),
                log=self.log,
                is_ready=lambda: is_listening(self.port),
                cwd=self.data,
                stop_timeout=ARCHIVING_TIMEOUT if self.java_options else 30,
            )
        )

    def _class_sharing(self) -> tuple[str, ...]:
        archive = self.lib / CLASS_ARCHIVE
        if self.java_options or not archive.exists():
            return self.java_options
        # An archive of another JVM or other jars is passed over, without a word.
        return (f"-XX:SharedArchiveFile={archive}", "-Xshare:auto", "-Xlog:cds=off", "-Xlog:class+path=off")

    def _java(self) -> list[str]:
        log4j = f"-Dlog4j2.configurationFile={self.config / 'log4j2.properties'}"
        return ["java", *JVM_FLAGS, "-cp", f"{self.lib}/*", log4j]

    def _write_properties(self, controller_port: int) -> Path:
        text = (self.config / "server.properties").read_text()
        node = {
            "listeners": f"PLAINTEXT://{LOOPBACK}:{self.port},CONTROLLER://{LOOPBACK}:{controller_port}",
            "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{self.port}",
            "controller.quorum.voters": f"1@{LOOPBACK}:{controller_port}",
            "log.dirs": str(self.data / "log"),
        }
        path = self.data / "server.properties"
        path.write_text(text + "".join(f"{key}={value}\n" for key, value in node.items()))
        return path

    def _format(self, properties: Path) -> None:
        cluster = urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        tool = [*self._java(), "kafka.tools.StorageTool", "format"]
        # With "=", since an id may begin with a dash.
        command = [*tool, f"--cluster-id={cluster}", f"--config={properties}"]
        done = subprocess.run(command, env=base_env(), capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode != 0:
            raise PlatformError(f"Kafka's storage could not be formatted:\n{done.stdout}{done.stderr}")


def archive_classes(lib: Path, config: Path) -> None:
    """Start and stop a node with no data, so that the JVM writes its class archive beside the jars."""
    fresh = lib / f"{CLASS_ARCHIVE}.new"
    with TemporaryDirectory(prefix="heed-") as directory:
        scratch = Path(directory)
        options = (f"-XX:ArchiveClassesAtExit={fresh}", "-Xlog:cds=off", "-Xlog:cds+dynamic=off")
        with Kafka(lib, config, scratch / "data", scratch / "log", free_ports(1)[0], options).child():
            pass
    if fresh.exists():
        fresh.replace(lib / CLASS_ARCHIVE)
