"""I11, I12: no secret leaks, and no unauthorized post has an effect."""

import json
import re
from collections.abc import Iterator

from tests.soak.checker.evidence import Evidence, Violation

MIN_REFUSED_STATUS = 400
"""A status from this on is a refusal."""


def check_no_secret_leaked(evidence: Evidence) -> Iterator[Violation]:
    """I11: no log, history, metric or database contains a secret."""
    for leak in evidence.leaks:
        yield Violation("I11", f"{leak['secret']} was found in {leak['place']}", evidence.seed, (leak,))


def check_unauthorized_refused(evidence: Evidence) -> Iterator[Violation]:
    """I12: a post without the credential, or a malformed one, was refused and left no trace."""
    if not evidence.unauthorized_posts:
        return
    rows = (evidence.histories, evidence.audit, evidence.plans, evidence.outcomes, evidence.ledger)
    words = set(re.findall(r"[\w-]+", json.dumps(rows, default=str)))
    for post in evidence.unauthorized_posts:
        if post["status"] is not None and post["status"] < MIN_REFUSED_STATUS:
            yield Violation("I12", f"{post['kind']}: answered {post['status']}", evidence.seed, (post,))
        if post["mark"] in words:
            yield Violation("I12", f"{post['kind']}: {post['mark']} left a trace", evidence.seed, (post,))
