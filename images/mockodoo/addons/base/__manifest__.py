{
    "name": "Base",
    "version": "1.3",
    "license": "LGPL-3",
    "category": "Hidden",
    "depends": [],
    "data": ["data/base.xml"],
    "demo": ["data/demo.xml"],
}
