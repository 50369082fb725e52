"""What a newcomer gets at the first start: sign-ins, a source's keys, an API token."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from heed.client import ApiClient, ApiError
from heed.platform.layout import write_private
from heed.platform.process import Child
from heed.platform.services import demo_program
from heed.platform.settings import SERVICES
from heed.platform.stack import Stack

DEMO_EMAIL = "demo@heed.example"
DEMO_USERS = (
    (DEMO_EMAIL, "Dana Demo", ["admin", "manager", "sales", "support", "marketing"]),
    ("priya@heed.example", "Priya Raman", ["sales"]),
    ("tom@heed.example", "Tom Okafor", ["sales", "support"]),
)
SOURCES = {"public": "Demo website", "server": "Demo till"}
API_TOKEN_LIFETIME = timedelta(days=30)
CONFLICT = 409


@dataclass(frozen=True)
class Access:
    """How to get in. `write_key` is public (for browsers), `server_key` is not."""

    console: str
    email: str
    password: str
    write_key: str
    server_key: str
    api_token: str

    @property
    def keys(self) -> dict[str, str]:
        """What the demo shop posts with."""
        return {"WRITE_KEY": self.write_key, "SERVER_KEY": self.server_key, "API_TOKEN": self.api_token}

    def lines(self) -> dict[str, str]:
        """What a newcomer is told."""
        return {
            "Console": self.console,
            "Sign in": f"{self.email}   {self.password}",
            "Write key": self.write_key,
            "API token": self.api_token,
        }


def provision(stack: Stack, console: str) -> Access:
    """Create what is missing of the demo's users and keys, and write it to `demo.env`. Raises ApiError.

    `console` is the console's address as a browser reaches it.
    """
    client = ApiClient({service: stack.url(service) for service in SERVICES}, stack.token())
    secrets = stack.installation.secrets
    for email, name, roles in DEMO_USERS:
        _add_user(client, email, name, roles, secrets.demo_password)
    keys = write_keys(stack, client)
    access = Access(
        console=console,
        email=DEMO_EMAIL,
        password=secrets.demo_password,
        write_key=keys["public"],
        server_key=keys["server"],
        api_token=stack.token("admin", name="Demo API token", lifetime=API_TOKEN_LIFETIME),
    )
    _write_env(stack, access)
    return access


def write_keys(stack: Stack, client: ApiClient) -> dict[str, str]:
    """The demo's keys by kind. A key is shown once, so it is kept with the secrets, until it is revoked."""
    secrets, layout = stack.installation.secrets, stack.installation.layout
    active = {item["id"] for item in client.list_keys() if not item.get("revoked_at")}
    for kind, name in SOURCES.items():
        kept = secrets.write_keys.get(kind)
        if kept is None or kept.id not in active:
            created = client.add_key(name, kind, [])
            secrets.keep_key(kind, created["id"], created["key"])
            secrets.save(layout.secrets)
    return {kind: kept.key for kind, kept in secrets.write_keys.items()}


def start_demo(stack: Stack, access: Access) -> Child:
    """Start the demo shop under the supervisor."""
    services, log = stack.installation.services, stack.installation.layout.log("demo")
    return stack.launch("demo", lambda: Child(demo_program(services, log, access.keys)))


def _add_user(client: ApiClient, email: str, name: str, roles: list[str], password: str) -> None:
    try:
        client.add_user(email, name, roles, password)
    except ApiError as error:
        if error.status != CONFLICT:
            raise


def _write_env(stack: Stack, access: Access) -> None:
    lines: Mapping[str, str] = {
        **access.keys,
        "CONSOLE_URL": access.console,
        "DEMO_EMAIL": access.email,
        "DEMO_PASSWORD": access.password,
        **{f"{service.upper()}_URL": stack.url(service) for service in SERVICES if service != "console"},
    }
    write_private(stack.installation.layout.demo_env, "".join(f"{key}={value}\n" for key, value in lines.items()))
