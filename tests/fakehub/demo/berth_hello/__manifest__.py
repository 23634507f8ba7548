{
    "name": "Berth Hello",
    "summary": "The smallest addon: it ships static files",
    "version": "18.0.1.0.0",
    "category": "Hidden",
    "author": "Berth",
    "license": "LGPL-3",
    "depends": ["base"],
    "installable": True,
}
