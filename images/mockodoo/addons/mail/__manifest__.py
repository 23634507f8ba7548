{
    "name": "Discuss",
    "version": "1.18",
    "license": "LGPL-3",
    "category": "Productivity/Discuss",
    "depends": ["base", "base_setup", "bus"],
    "application": True,
}
