"""One typed client per service the console shows, all called as the visitor who looks."""

from dataclasses import dataclass

import httpx

from console.clients.analytics import AnalyticsClient
from console.clients.base import Forbidden, NotFound, Refused, Unavailable, Upstream, UpstreamError
from console.clients.campaign import CampaignClient
from console.clients.capture import CaptureClient
from console.clients.contact import ContactClient
from console.clients.sales import SalesClient
from console.clients.ticketing import TicketingClient
from console.settings import Settings

__all__ = ["Clients", "Forbidden", "NotFound", "Refused", "Unavailable", "Upstream", "UpstreamError", "new_http"]


def new_http(timeout_seconds: float) -> httpx.AsyncClient:
    """The pool of connections behind all clients."""
    limits = httpx.Limits(max_connections=500, max_keepalive_connections=50)
    timeout = httpx.Timeout(timeout_seconds, connect=1.0)
    return httpx.AsyncClient(timeout=timeout, limits=limits, trust_env=False, follow_redirects=False)


@dataclass(frozen=True)
class Clients:
    """The services, called with one token."""

    contact: ContactClient
    sales: SalesClient
    analytics: AnalyticsClient
    campaign: CampaignClient
    ticketing: TicketingClient
    capture: CaptureClient

    @classmethod
    def of(cls, http: httpx.AsyncClient, settings: Settings, token: str) -> "Clients":
        return cls(
            contact=ContactClient(http, settings.contact_url, token),
            sales=SalesClient(http, settings.sales_url, token),
            analytics=AnalyticsClient(http, settings.analytics_url, token),
            campaign=CampaignClient(http, settings.campaign_url, token),
            ticketing=TicketingClient(http, settings.ticketing_url, token),
            capture=CaptureClient(http, settings.lead_capture_url, token),
        )
