"""What the subcommands share: this installation, and a client of its running services."""

import os
from datetime import timedelta

from rich.console import Console

from common.tokens import mint
from heed.client import ApiClient
from heed.platform.errors import PlatformError
from heed.platform.installation import Installation
from heed.platform.layout import default_layout
from heed.platform.secrets import Secrets
from heed.platform.settings import SERVICES, RunSettings

console = Console(highlight=False, soft_wrap=True)

CALL_LIFETIME = timedelta(minutes=5)


def installation() -> Installation:
    """The installation that the environment names. Raises PlatformError for unusable settings."""
    return Installation(default_layout(), RunSettings.load(os.environ))


def local_installation() -> Installation:
    """The same, but its services are those on this machine, whatever `<SERVICE>_URL` says."""
    named = installation()
    return Installation(named.layout, named.settings.model_copy(update={"urls": {}}))


def mint_token(name: str, roles: frozenset[str], lifetime: timedelta) -> str:
    """A bearer token signed with this installation's key.

    Raises:
        PlatformError: there is no key yet.
    """
    path = default_layout().secrets
    if not path.exists():
        raise PlatformError(f"There is no key in {path} to sign with: start Heed once with heed run.")
    return mint(Secrets.load_or_create(path).token_private_key, f"cli:{name}", name, roles, lifetime)


def client() -> ApiClient:
    """The running services' APIs as an administrator. `<SERVICE>_URL` overrides an address."""
    services = installation().services
    urls = {service: services.url(service) for service in SERVICES}
    return ApiClient(urls, mint_token("Heed command line", frozenset({"admin"}), CALL_LIFETIME))
