"""The analytics service, one module for each kind of answer."""

from console.clients.analytics.client import AnalyticsClient

__all__ = ["AnalyticsClient"]
