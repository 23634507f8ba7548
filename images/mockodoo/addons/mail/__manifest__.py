{
    "name": "Discuss",
    "version": "1.18",
    "category": "Productivity/Discuss",
    "depends": ["base", "base_setup", "bus"],
    "application": True,
}
