"""Types, checks and registries: what every floor above stands on."""
