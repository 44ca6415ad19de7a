"""Eight ways to break the product, as edits of a copy of the tree."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Mutant:
    """Replaces the text `before`, which must be in `file` exactly once, by `after`; then each of `more_edits`.

    The checker must find at least one of `invariants` broken in a simulated life.
    """

    name: str
    file: str
    before: str
    after: str
    invariants: tuple[str, ...]
    more_edits: tuple[tuple[str, str], ...] = ()

    def apply(self, root: Path) -> None:
        """Edit the copy under `root`.

        Raises:
            ValueError: the product has changed, so the mutant must change too.
        """
        path = root / self.file
        text = path.read_text(encoding="utf-8")
        for before, after in ((self.before, self.after), *self.more_edits):
            if text.count(before) != 1:
                raise ValueError(
                    f"{self.name}: {self.file} holds the text {text.count(before)} times, not once; update the mutant"
                )
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
        "if not await audited_step.load_attempts():",
        "if await audited_step.load_attempts() is not None:",
        ("I3", "I4"),
    ),
    Mutant(
        "verified-by-nothing",
        "activities/execute/verify/verification.py",
        "return VerdictDetails(Verdict.INCONCLUSIVE, before, before, worst, len(counts))",
        "return VerdictDetails(Verdict.FIXED, before, 0, worst, len(counts))",
        ("I7",),
    ),
    Mutant(
        "undo-registered-after-the-effect",
        "workflows/remediation.py",
        "        self.steps_to_undo.append(number)\n        handle = ",
        "        handle = ",
        ("I3", "I4"),
        more_edits=(
            (
                "        self.applied_at = workflow.time()\n",
                "        self.applied_at = workflow.time()\n        self.steps_to_undo.append(number)\n",
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
        "        return first_outcome\n    plan_rows.require_not_resumed(",
        "    plan_rows.require_not_resumed(",
        ("I9",),
        (("    outcome_rows.add(connection", "    if first_outcome is None:\n        outcome_rows.add(connection"),),
    ),
    Mutant(
        "lock-per-symptom",
        "activities/model/plan.py",
        "return remediation_id(self.charter, self.knob)",
        'return remediation_id(self.charter, f"{self.cause}-{self.component}")',
        ("I6", "I8"),
    ),
)
