"""A local page to look at a barrier store: read-only, on this machine, nothing from elsewhere."""
