"""Builds as the portal's database has them, read without Berth's code."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

BUILD = """
    SELECT b.*, s.error_title, s.error_detail, s.error_remedy FROM builds_build b
    JOIN portal_story s ON s.id = b.story_id WHERE b.id = %s
"""
STEPS = """
    SELECT p.name, p.state, p.result, p.attempts, coalesce(string_agg(c.text, '' ORDER BY c.id), '') AS output
    FROM portal_step p LEFT JOIN portal_logchunk c ON c.step_id = p.id
    WHERE p.story_id = %s GROUP BY p.id ORDER BY p.position
"""
COPIED = ("id", "number", "stage", "commit", "state", "result", "verdict", "tests")
ERROR = ("error_title", "error_detail", "error_remedy")


@dataclass(frozen=True)
class StepRow:
    name: str
    state: str
    result: str
    attempts: int
    output: str


@dataclass(frozen=True)
class BuildRow:
    """A build as the portal's database has it, with the steps of its story."""

    id: int
    number: int
    stage: str
    commit: str
    state: str
    result: str
    verdict: str
    instance: int | None
    pool: int | None
    story: int
    error_title: str
    error_detail: str
    error_remedy: str
    tests: Mapping[str, Any]
    steps: Mapping[str, StepRow]

    def __str__(self) -> str:
        told = [f"  {step.name}: {step.state} {step.result} ({step.attempts})" for step in self.steps.values()]
        error = f"{self.error_title}\n{self.error_detail}\n{self.error_remedy}".strip()
        return "\n".join([f"build {self.number} {self.state} {self.result}: {self.verdict}", *told, error])


def read_build(query: Callable[..., list[dict[str, Any]]], pk: int) -> BuildRow:
    (row,) = query(BUILD, pk)
    steps = query(STEPS, row["story_id"])
    return BuildRow(
        **{name: row[name] for name in (*COPIED, *ERROR)},
        instance=row["instance_id"],
        pool=row["pool_id"],
        story=row["story_id"],
        steps={step["name"]: StepRow(**step) for step in steps},
    )
