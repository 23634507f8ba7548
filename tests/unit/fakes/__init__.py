"""Make-believe machines: an engine, PostgreSQL clusters, a router, GitHub and a Git mirror, in memory.

They are put in place of the real ones at one seam (hosting.machines, and the classes GitHub and Mirror), so that a
whole deploy can be told in a fraction of a second, and be killed, cancelled or failed at any call.
"""

from tests.unit.fakes.world import Data, Killed, World

__all__ = ["Data", "Killed", "World"]
