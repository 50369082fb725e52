"""The hot path: plain ASGI from the socket to the broker's acknowledgement."""
