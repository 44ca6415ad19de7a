"""The tables. `body` holds a whole model as JSON; the other columns serve queries.

Times are unix seconds. Migrations make the tables; a test compares them with this module.
"""

from sqlalchemy import (
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    text,
)

metadata = MetaData()

outcomes = Table(
    "outcomes",
    metadata,
    Column("plan_id", String, primary_key=True),
    Column("loop", String, nullable=False),
    Column("cause", String, nullable=False),
    Column("component", String, nullable=False, server_default=""),
    Column("value", Double),
    Column("at", Double, nullable=False),
    # A forgotten outcome no longer counts as experience, but proves that its plan has ended.
    Column("remembered", Boolean, nullable=False),
    # The time of the next recheck; null for none.
    Column("recheck_at", Double),
    Column("body", Text, nullable=False),
    Index("outcomes_by_loop", "loop", "remembered", "at"),
    Index("outcomes_to_recheck", "loop", "recheck_at"),
)

outcome_actions = Table(
    "outcome_actions",
    metadata,
    Column("plan_id", String, ForeignKey("outcomes.plan_id"), primary_key=True),
    Column("action", String, primary_key=True),
)

snapshots = Table(
    "snapshots",
    metadata,
    Column("digest", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("at", Double, nullable=False),
    Column("pinned", Boolean, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("snapshots_by_age", "pinned", "at"),
)

plans = Table(
    "plans",
    metadata,
    Column("plan_id", String, primary_key=True),
    Column("hash", String, nullable=False),
    Column("loop", String, nullable=False),
    Column("charter", String, nullable=False),
    Column("at", Double, nullable=False),
    Column("body", Text, nullable=False),
    Index("plans_by_charter", "charter", "at"),
    Index("plans_by_loop", "loop", "at"),
)

decisions = Table(
    "decisions",
    metadata,
    Column("cycle_id", String, primary_key=True),
    Column("loop", String, nullable=False),
    Column("at", Double, nullable=False),
    Column("snapshot", String, nullable=False),
    Column("body", Text, nullable=False),
    Index("decisions_by_loop", "loop", "at"),
)

effects = Table(
    "effects",
    metadata,
    Column("plan_id", String, primary_key=True),
    Column("step", Integer, primary_key=True),
    Column("direction", String, primary_key=True),
    Column("at", Double, nullable=False),
    Column("body", Text, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("loop", String, nullable=False),
    Column("plan_id", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("body", Text, nullable=False),
    Column("hash", String, nullable=False),
    Index("audit_by_plan", "plan_id", "kind"),
    Index("audit_by_loop", "loop", "id"),
    sqlite_autoincrement=True,
)

knobs = Table(
    "knobs",
    metadata,
    Column("charter", String, primary_key=True),
    Column("knob", String, primary_key=True),
    Column("loop", String, nullable=False),
    # These two columns keep their former spelling, `KnobGuard.FORMER_NAMES`: a new name would need a migration.
    Column("cooldown_until", Double, nullable=False, default=0.0),
    Column("cooldown_reason", String, nullable=False, default=""),
    Column("quarantined", Boolean, nullable=False, default=False),
    Column("quarantine_reason", String, nullable=False, default=""),
    Column("released_at", Double, nullable=False, default=0.0, server_default="0"),
)

incidents = Table(
    "incidents",
    metadata,
    Column("incident_id", String, primary_key=True),
    Column("charter", String, nullable=False),
    Column("knob", String, nullable=False),
    Column("onset", Double, nullable=False),
    Column("opened_at", Double, nullable=False),
    Column("last_seen_at", Double, nullable=False),
    Column("closed_at", Double),
    Index(
        "one_open_incident",
        "charter",
        "knob",
        unique=True,
        sqlite_where=text("closed_at IS NULL"),
        postgresql_where=text("closed_at IS NULL"),
    ),
)

rungs = Table(
    "rungs",
    metadata,
    Column("incident_id", String, ForeignKey("incidents.incident_id"), primary_key=True),
    Column("plan_id", String, primary_key=True),
    Column("rung", Integer, nullable=False),
    Column("cause", String, nullable=False),
    Column("component", String, nullable=False),
    Column("outcome", String, nullable=False),
    Index("rungs_by_plan", "plan_id"),
)

evidence = Table(
    "evidence",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("plan_id", String, nullable=False),
    Column("loop", String, nullable=False),
    Column("cause", String, nullable=False),
    Column("action", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("at", Double, nullable=False),
    # Whether it was checked for a change of level.
    Column("audited", Boolean, nullable=False),
    Index("evidence_by_loop", "loop", "id"),
)

shadows = Table(
    "shadows",
    metadata,
    Column("plan_id", String, primary_key=True),
    Column("loop", String, nullable=False),
    Column("knob", String, nullable=False),
    Column("cause", String, nullable=False),
    Column("component", String, nullable=False),
    Column("last_seen_at", Double, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("scored", Boolean, nullable=False),
    Column("body", Text, nullable=False),
    Index("shadows_by_loop", "loop", "scored", "due_at"),
)

remediations = Table(
    "remediations",
    metadata,
    Column("plan_id", String, primary_key=True),
    Column("charter", String, nullable=False),
    Column("started_at", Double, nullable=False),
    Column("body", Text, nullable=False),
    Index("remediations_by_charter", "charter", "started_at"),
)

storms = Table(
    "storms",
    metadata,
    Column("loop", String, primary_key=True),
    Column("charter", String, nullable=False),
    Column("body", Text, nullable=False),
)

notifications = Table(
    "notifications",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("key", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("loop", String, nullable=False),
    Column("plan_id", String, nullable=False),
    Column("opened_at", Double, nullable=False),
    Column("last_seen_at", Double, nullable=False),
    Column("closed_at", Double),
    # Rises with every change that targets with updates must receive.
    Column("version", Integer, nullable=False),
    Column("body", Text, nullable=False),
    Index("notifications_by_loop", "loop", "closed_at"),
    Index("notifications_by_plan", "plan_id"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("notification_id", Integer, primary_key=True, autoincrement=False),
    Column("target", String, primary_key=True),
    # The version the target has received, 0 for none.
    Column("version", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", Double, nullable=False),
)

modes = Table(
    "modes",
    metadata,
    Column("loop", String, primary_key=True),
    Column("body", Text, nullable=False),
)
