"""Records as files for other programs, and back: one module a format."""
