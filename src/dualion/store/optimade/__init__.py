"""The records of a store under the OPTIMADE API, reading only."""
