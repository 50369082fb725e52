"""A shop made up for the demo. It knows nothing but Heed's public API, as any shop's systems would."""
