"""Eight ways to break the product, as edits that are made to a copy of the tree and nowhere else."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Mutant:
    """In `file` the text `before`, which must be there exactly once, becomes `after`; then the same with `more`.

    `invariants` are those of which the checker has to find at least one broken in a simulated life.
    """

    name: str
    file: str
    before: str
    after: str
    invariants: tuple[str, ...]
    more_edits: tuple[tuple[str, str], ...] = ()

    def apply(self, root: Path) -> None:
        """Edit the copy under `root`. Raises: ValueError (the product has changed, and so must the mutant)."""
        path = root / self.file
        text = path.read_text(encoding="utf-8")
        for before, after in ((self.before, self.after), *self.more_edits):
            if text.count(before) != 1:
                raise ValueError(f"{self.name}: {self.file} holds its text {text.count(before)} times, not once")
            text = text.replace(before, after)
        path.write_text(text, encoding="utf-8")


MUTANTS = (
    Mutant(
        "drop-the-key",
        "activities/execute/calls.py",
        'return f"{plan.plan_id}-{step}-{direction}"',
        'return ""',
        ("I1",),
    ),
    Mutant(
        "key-from-run-id",
        "activities/execute/calls.py",
        'return f"{plan.plan_id}-{step}-{direction}"',
        "return f\"{id(object())}-{__import__('uuid').uuid4().hex[:8]}-{step}-{direction}\"",
        ("I1", "I3", "I4", "fence"),
    ),
    Mutant(
        "retry-without-reading-back",
        "activities/execute/activity.py",
        "if not await attempts.made():",
        "if await attempts.made() is not None:",
        ("I3", "I4"),
    ),
    Mutant(
        "verified-by-nothing",
        "activities/execute/verify/verification.py",
        "return Finding(Verdict.INCONCLUSIVE, before, before, worst, len(counts))",
        "return Finding(Verdict.FIXED, before, 0, worst, len(counts))",
        ("I7",),
    ),
    Mutant(
        "undo-registered-after-the-effect",
        "workflows/remediation.py",
        "            self.undo.append(number)\n",
        "",
        ("I3", "I4"),
        more_edits=(
            (
                "            generation, self.applied_at = done.generation, workflow.time()\n",
                "            generation, self.applied_at = done.generation, workflow.time()\n"
                "            self.undo.append(number)\n",
            ),
        ),
    ),
    Mutant(
        "rollback-not-shielded",
        "workflows/cancellation.py",
        "            await asyncio.shield(handle)\n        except (FailureError, asyncio.CancelledError):\n"
        "            continue  # on eviction the handle is cancelled too, so this loop ends\n",
        "            return await handle\n        except FailureError:\n            continue\n",
        ("I3", "I4"),
    ),
    Mutant(
        "outcome-recorded-twice",
        "activities/clients/store/store.py",
        "        return standing\n    plan_rows.refuse_if_gone_on(",
        "    plan_rows.refuse_if_gone_on(",
        ("I9",),
        (("    outcome_rows.add(connection", "    if standing is None:\n        outcome_rows.add(connection"),),
    ),
    Mutant(
        "lock-per-symptom",
        "activities/model/plan.py",
        'return f"mapek-fix:{self.charter}:{self.knob}"',
        'return f"mapek-fix:{self.charter}:{self.cause}-{self.component}"',
        ("I6", "I8"),
    ),
)
