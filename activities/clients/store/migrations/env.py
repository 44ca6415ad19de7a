"""How Alembic runs migrations here: on the connection it is given, inside that connection's transaction."""

from alembic import context

from activities.clients.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
