"""What every page is made with, put together once in main."""

from dataclasses import dataclass
from datetime import timedelta

import httpx
from jinja2 import Environment

from common.clock import Clock
from common.tokens import mint
from console.clients import Clients
from console.service import Accounts, Visitor
from console.settings import Settings
from console.stream import Pulse

TOKEN_LIFETIME = timedelta(minutes=5)


@dataclass(frozen=True)
class Site:
    settings: Settings
    accounts: Accounts
    http: httpx.AsyncClient
    templates: Environment
    clock: Clock
    pulse: Pulse
    private_key: str

    def clients_of(self, visitor: Visitor) -> Clients:
        """The services, called with a fresh token that names this visitor."""
        token = mint(self.private_key, visitor.id, visitor.name, visitor.roles, TOKEN_LIFETIME)
        return Clients.of(self.http, self.settings, token)

    def clients_as_service(self) -> Clients:
        """The services, called by the console itself."""
        token = mint(self.private_key, "console", "Console", frozenset({"service"}), TOKEN_LIFETIME)
        return Clients.of(self.http, self.settings, token)
