"""A local stand-in for GitHub, for tests and the demo: OAuth, REST, Git over HTTP, webhooks. It has no SSH.

`python -m tests.fakehub --port 8010 --root DIR --seed demo` runs it; in tests, `FakeHub.start` of `testing.py` does.

A call comes in by `app.py` and is answered by `api_*.py` (`rest.py` has what those share, `shapes.py` how answers
look), `oauth.py`, `smart_http.py` or `pages.py`. They act through `hub.py`, which keeps rows in `store.py`, commits in
`git.py`, and tells the webhooks: `events.py` says what, `delivery.py` sends it.
"""
