"""What a policy and the bodies of the changes must look like. Strict: no unknown fields, no conversions."""

from collections.abc import Collection, Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from deploy.simulator.problems import invalid, malformed
from deploy.simulator.records import COMMITTEE_KINDS, ActionKind, Spec
from deploy.simulator.topology import COMMITTEE, MAX_MEMBERS, MIN_MEMBERS

Seconds = Annotated[float, Field(allow_inf_nan=False)]
Replicas = Annotated[int, Field(ge=MIN_MEMBERS, le=MAX_MEMBERS)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class ScaleBody(_Strict):
    """Body of committee/scale, and the parameters of SCALE_UP and SCALE_DOWN: the size wanted, not a step."""

    replicas: Replicas


class RestartBody(_Strict):
    """Body of committee/restart, and the parameters of RESTART_SERVICE; `timeout` in seconds."""

    graceful: bool = True
    timeout: Annotated[Seconds, Field(gt=0, le=600)] = 30.0
    member: Annotated[str, Field(min_length=1, max_length=63)] | None = None


class _Ruleset(_Strict):
    # The contract allows any name; these are the ones this Charter knows.
    ruleset: Annotated[str, Field(pattern=r"^(strict|relaxed)-v[1-9][0-9]{0,3}$")]


class _Bypass(_Strict):
    duration: Annotated[Seconds, Field(ge=10, le=86400)] | None = None


class _Throttle(_Strict):
    rate_limit: Annotated[Seconds, Field(ge=50, le=10000)] = 300.0


class _Override(_Strict):
    duration: Annotated[Seconds, Field(ge=10, le=86400)] = 300.0


class _Rebalance(_Strict):
    strategy: Literal["round_robin", "least_loaded"] = "least_loaded"


class _Configuration(_Strict):
    batch_size: Annotated[int, Field(ge=1, le=1024)] | None = None
    parallelism: Annotated[int, Field(ge=1, le=64)] | None = None
    timeout: Annotated[Seconds, Field(gt=0, le=600)] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "_Configuration":
        if not self.model_fields_set or None in (getattr(self, name) for name in self.model_fields_set):
            raise ValueError("set at least one of batch_size, parallelism, timeout; none may be null")
        return self


PARAMETERS: Final[Mapping[ActionKind, type[BaseModel]]] = {
    ActionKind.SCALE_UP: ScaleBody,
    ActionKind.SCALE_DOWN: ScaleBody,
    ActionKind.RESTART_SERVICE: RestartBody,
    ActionKind.APPLY_POLICY: _Ruleset,
    ActionKind.BYPASS_VALIDATION: _Bypass,
    ActionKind.THROTTLE_REQUESTS: _Throttle,
    ActionKind.ACTIVATE_EMERGENCY_OVERRIDE: _Override,
    ActionKind.REBALANCE_LOAD: _Rebalance,
    ActionKind.UPDATE_CONFIGURATION: _Configuration,
}


class _Policy(_Strict):
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,127}$")]
    kind: str
    component: str | None
    parameters: dict[str, Any]


class _Envelope(_Strict):
    policy: dict[str, Any]
    timestamp: Annotated[AwareDatetime, Field(strict=False)]
    source: Literal["mape_k_executor"]


def envelope(body: dict[str, Any]) -> dict[str, Any]:
    """Return the policy object inside the body of policies/apply.

    Raises:
        ProblemError: 400, the envelope is not `{policy, timestamp, source}`.
    """
    try:
        return _Envelope.model_validate(body).policy
    except ValidationError as error:
        raise malformed("The envelope must be {policy, timestamp, source}.", pointed(error)) from error


def policy(raw: dict[str, Any], components: Collection[str], base: str = "") -> Spec:
    """Return the policy, its parameters as they were sent; `base` is the pointer to it in the body.

    Raises:
        ProblemError: 422 with every error found.
    """
    try:
        found = _Policy.model_validate(raw)
    except ValidationError as error:
        raise invalid(pointed(error, base)) from error
    if found.kind not in ActionKind.__members__:
        raise invalid([_error(f"{base}/kind", f"unknown kind; known are {', '.join(ActionKind)}")])
    kind = ActionKind(found.kind)
    errors = _component_errors(found.component, kind, components, base)
    try:
        PARAMETERS[kind].model_validate(found.parameters)
    except ValidationError as error:
        errors += pointed(error, f"{base}/parameters")
    if (found.name == COMMITTEE) != (kind in COMMITTEE_KINDS):
        errors.append(_error(f"{base}/name", "the name committee belongs to scaling and restarting"))
    if errors:
        raise invalid(errors)
    return Spec(found.name, kind, found.component, found.parameters)


def applicable(spec: Spec) -> Spec:
    """Return the policy if it can be applied as one.

    Raises:
        ProblemError: 422, its kind has a route of its own.
    """
    if spec.kind in COMMITTEE_KINDS:
        raise invalid([_error("/policy/kind", f"{spec.kind} has a route under /api/v1/committee")])
    return spec


def scale_body(body: dict[str, Any]) -> ScaleBody:
    """Return the body of committee/scale; 422 if it does not validate."""
    try:
        return ScaleBody.model_validate(body)
    except ValidationError as error:
        raise invalid(pointed(error)) from error


def restart_body(body: dict[str, Any]) -> RestartBody:
    """Return the body of committee/restart; 422 if it does not validate."""
    try:
        return RestartBody.model_validate(body)
    except ValidationError as error:
        raise invalid(pointed(error)) from error


def pointed(error: ValidationError, base: str = "") -> list[dict[str, str]]:
    """Errors with JSON pointers into the body."""
    return [
        _error(base + "".join(f"/{_escaped(str(part))}" for part in found["loc"]), found["msg"])
        for found in error.errors(include_url=False, include_input=False, include_context=False)
    ]


def _component_errors(
    component: str | None, kind: ActionKind, components: Collection[str], base: str
) -> list[dict[str, str]]:
    known = component is None or component in components or (component == COMMITTEE and kind in COMMITTEE_KINDS)
    return [] if known else [_error(f"{base}/component", f"unknown component; known are {', '.join(components)}")]


def _error(pointer: str, detail: str) -> dict[str, str]:
    return {"pointer": pointer, "detail": detail}


def _escaped(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")
