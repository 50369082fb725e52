"""Analytics: notices what customers do and do not do."""

from analytics import compiled

compiled.use()
