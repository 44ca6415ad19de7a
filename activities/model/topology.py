"""Components and the call graph between them."""

from activities.model.types import FrozenModel


class Topology(FrozenModel):
    """The call graph. `edges` are (caller, callee). Cycles are allowed, and unknown names are components too."""

    edges: tuple[tuple[str, str], ...] = ()

    def callees(self, component: str) -> tuple[str, ...]:
        """Return the components that `component` calls, sorted."""
        return tuple(sorted({callee for caller, callee in self.edges if caller == component}))

    def callers(self, component: str) -> tuple[str, ...]:
        """Return the components that call `component`, sorted."""
        return tuple(sorted({caller for caller, callee in self.edges if callee == component}))

    def neighbours(self, component: str) -> tuple[str, ...]:
        """Return callers and callees of `component`, sorted."""
        return tuple(sorted({*self.callers(component), *self.callees(component)} - {component}))
