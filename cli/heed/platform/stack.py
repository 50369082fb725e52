"""The whole system as one object: what `heed run`, the end-to-end tests and the fault tests start and stop."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property, partial
from threading import Lock
from types import TracebackType
from typing import Self

from common.tokens import mint
from heed.platform.databases import ensure_databases
from heed.platform.errors import PlatformError, PortTakenError
from heed.platform.installation import Installation
from heed.platform.ports import is_taken
from heed.platform.process import Child, rotate, wait_until
from heed.platform.runfile import RunFile
from heed.platform.settings import SERVICES
from heed.platform.supervisor import Supervisor
from heed.platform.together import together
from heed.platform.topics import create_topics

MIGRATION_PATIENCE = 120.0
STOP_ORDER = (("demo",), SERVICES, ("smtp", "kafka"), ("postgres",))


@dataclass
class Stack:
    """An installation that can be started, disturbed and stopped. Calls block; usable as a context manager.

    `tell` hears one line per step done, and per process that died and is started again.
    """

    installation: Installation
    tell: Callable[[str], None] = lambda text: None
    _lock: Lock = field(default_factory=Lock, repr=False)

    @cached_property
    def supervisor(self) -> Supervisor:
        """Keeps the processes running."""
        return Supervisor(tell=self.tell, changed=self._write_run_file)

    def url(self, service: str) -> str:
        """Base address of a service's HTTP API."""
        return self.installation.services.url(service)

    def token(self, *roles: str, name: str = "Heed command line", lifetime: timedelta = timedelta(hours=12)) -> str:
        """A bearer token with these roles (admin, when none is named)."""
        private_key = self.installation.secrets.token_private_key
        return mint(private_key, "heed-cli", name, frozenset(roles or ("admin",)), lifetime)

    def start(self) -> None:
        """Start everything and wait until every service is ready; a start that fails leaves nothing behind.

        Raises:
            PlatformError: something is missing, taken, or ends at once. The message says what.
        """
        self._refuse_second()
        self._check_ports()
        try:
            self._start_platform()
            self._start_services()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop everything, the services before what they stand on."""
        self.supervisor.stop(STOP_ORDER)
        RunFile.remove_own(self.installation.layout.run_file)

    def launch(self, name: str, make: Callable[[], Child]) -> Child:
        """Start one more process under the supervisor, with a fresh log; does not wait until it is ready."""
        rotate(self.installation.layout.log(name))
        return self.supervisor.start(name, make)

    def pid(self, name: str) -> int:
        """Process id of a service, or of `kafka`, `postgres`, `smtp`, `demo`."""
        pid = self.supervisor.child(name).pid
        if pid is None:
            raise PlatformError(f"{name} is not running.")
        return pid

    def kill(self, name: str) -> None:
        """SIGKILL a process; the supervisor starts it again."""
        self.supervisor.child(name).kill()

    def wait_ready(self, *names: str, patience: float = 60) -> None:
        """Wait until these processes (all, when none is named) are ready, however often they end meanwhile."""
        together(*(partial(self._wait_ready, name, patience) for name in names or self.supervisor.children()))

    def _wait_ready(self, name: str, patience: float) -> None:
        def ready() -> bool:
            child = self.supervisor.child(name)
            return child.is_running and child.program.is_ready()

        if not wait_until(ready, patience):
            raise PlatformError(f"{name} is not ready yet.\n{self.supervisor.child(name).log_tail()}")

    def _refuse_second(self) -> None:
        run = RunFile.read(self.installation.layout.run_file)
        if run is None:
            return
        if run.is_running:
            raise PlatformError(f"Heed is running already (process {run.supervisor.pid}). Stop it with: heed stop")
        if left := run.end_leftovers():
            self.tell(f"ended what an earlier run left behind: {', '.join(left)}")

    def _check_ports(self) -> None:
        for name, (setting, port) in self.installation.settings.own_ports().items():
            if is_taken(port):
                raise PortTakenError(name, port, setting)

    def _start_platform(self) -> None:
        together(self._start_kafka, self._start_databases, self._start_smtp)

    def _start_kafka(self) -> None:
        settings = self.installation.settings
        if settings.kafka_bootstrap_servers is None:
            self.launch("kafka", self.installation.kafka.child).wait_ready()
        asyncio.run(create_topics(self.installation.services.bootstrap, settings.heed_topic_prefix))
        self.tell("Kafka is ready")

    def _start_databases(self) -> None:
        if not self.installation.settings.database_urls:
            self.launch("postgres", self.installation.postgres.child).wait_ready()
            passwords = self.installation.secrets.database_passwords
            asyncio.run(ensure_databases(self.installation.postgres.url, passwords))
        self.tell("PostgreSQL is ready")
        migration = self.installation.services.migration()
        rotate(migration.program.log)
        migration.start()
        try:
            migration.wait_done(MIGRATION_PATIENCE)
        finally:
            migration.kill()
        self.tell("databases are migrated")

    def _start_smtp(self) -> None:
        if self.installation.settings.smtp_url is None:
            self.launch("smtp", self.installation.smtp.child).wait_ready()

    def _start_services(self) -> None:
        together(*(partial(self._start_service, service) for service in SERVICES))

    def _start_service(self, service: str) -> None:
        self.launch(service, partial(self.installation.services.child, service)).wait_ready()
        self.tell(f"{service} is ready at {self.url(service)}")

    def _write_run_file(self) -> None:
        with self._lock:
            pids = {name: child.pid for name, child in self.supervisor.children().items() if child.pid}
            urls = {service: self.url(service) for service in SERVICES}
            RunFile.write(self.installation.layout.run_file, pids, urls)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
