"""The package of all addons; its path is set from `addons_path` when the settings are read."""
