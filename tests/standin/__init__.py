"""What tests talk to in place of services that cannot be installed: a database on loopback."""
