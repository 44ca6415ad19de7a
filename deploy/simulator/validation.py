"""Strict validation of policies and request bodies: no unknown fields, no conversions."""

from collections.abc import Collection, Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from deploy.simulator.problems import bad_request, validation_failed
from deploy.simulator.records import COMMITTEE_ACTION_KINDS, ActionKind, PolicySpec
from deploy.simulator.topology import COMMITTEE, MAX_MEMBERS, MIN_MEMBERS

Seconds = Annotated[float, Field(allow_inf_nan=False)]
Replicas = Annotated[int, Field(ge=MIN_MEMBERS, le=MAX_MEMBERS)]


class _StrictModel(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class ScaleBody(_StrictModel):
    """The body of committee/scale and the parameters of SCALE_UP and SCALE_DOWN; the absolute size, not a step."""

    replicas: Replicas


class RestartBody(_StrictModel):
    """The body of committee/restart and the parameters of RESTART_SERVICE; `timeout` is in seconds."""

    graceful: bool = True
    timeout: Annotated[Seconds, Field(gt=0, le=600)] = 30.0
    member: Annotated[str, Field(min_length=1, max_length=63)] | None = None


class _RulesetParameters(_StrictModel):
    # The contract allows any name; this Charter has only these.
    ruleset: Annotated[str, Field(pattern=r"^(strict|relaxed)-v[1-9][0-9]{0,3}$")]


class _BypassParameters(_StrictModel):
    duration: Annotated[Seconds, Field(ge=10, le=86400)] | None = None


class _ThrottleParameters(_StrictModel):
    rate_limit: Annotated[Seconds, Field(ge=50, le=10000)] = 300.0


class _OverrideParameters(_StrictModel):
    duration: Annotated[Seconds, Field(ge=10, le=86400)] = 300.0


class _RebalanceParameters(_StrictModel):
    strategy: Literal["round_robin", "least_loaded"] = "least_loaded"


class _ConfigurationParameters(_StrictModel):
    batch_size: Annotated[int, Field(ge=1, le=1024)] | None = None
    parallelism: Annotated[int, Field(ge=1, le=64)] | None = None
    timeout: Annotated[Seconds, Field(gt=0, le=600)] | None = None

    @model_validator(mode="after")
    def _require_setting(self) -> "_ConfigurationParameters":
        if not self.model_fields_set or None in (getattr(self, name) for name in self.model_fields_set):
            raise ValueError("set at least one of batch_size, parallelism, timeout; none may be null")
        return self


PARAMETER_MODELS: Final[Mapping[ActionKind, type[BaseModel]]] = {
    ActionKind.SCALE_UP: ScaleBody,
    ActionKind.SCALE_DOWN: ScaleBody,
    ActionKind.RESTART_SERVICE: RestartBody,
    ActionKind.APPLY_POLICY: _RulesetParameters,
    ActionKind.BYPASS_VALIDATION: _BypassParameters,
    ActionKind.THROTTLE_REQUESTS: _ThrottleParameters,
    ActionKind.ACTIVATE_EMERGENCY_OVERRIDE: _OverrideParameters,
    ActionKind.REBALANCE_LOAD: _RebalanceParameters,
    ActionKind.UPDATE_CONFIGURATION: _ConfigurationParameters,
}


class _PolicyBody(_StrictModel):
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,127}$")]
    kind: str
    component: str | None
    parameters: dict[str, Any]


class _PolicyEnvelope(_StrictModel):
    policy: dict[str, Any]
    timestamp: Annotated[AwareDatetime, Field(strict=False)]
    source: Literal["mape_k_executor"]


def parse_envelope(body: dict[str, Any]) -> dict[str, Any]:
    """Return the policy object inside the body of policies/apply.

    Raises:
        ProblemError: 400 if the envelope is not `{policy, timestamp, source}`.
    """
    try:
        return _PolicyEnvelope.model_validate(body).policy
    except ValidationError as error:
        raise bad_request("The envelope must be {policy, timestamp, source}.", format_errors(error)) from error


def parse_policy(raw: dict[str, Any], components: Collection[str], base_pointer: str = "") -> PolicySpec:
    """Return the policy with its parameters as sent; `base_pointer` is its JSON pointer in the body.

    Raises:
        ProblemError: 422 with every error found.
    """
    try:
        policy = _PolicyBody.model_validate(raw)
    except ValidationError as error:
        raise validation_failed(format_errors(error, base_pointer)) from error
    if policy.kind not in ActionKind.__members__:
        raise validation_failed(
            [_build_error(f"{base_pointer}/kind", f"unknown kind; known are {', '.join(ActionKind)}")]
        )
    kind = ActionKind(policy.kind)
    errors = _check_component(policy.component, kind, components, base_pointer)
    try:
        PARAMETER_MODELS[kind].model_validate(policy.parameters)
    except ValidationError as error:
        errors += format_errors(error, f"{base_pointer}/parameters")
    if (policy.name == COMMITTEE) != (kind in COMMITTEE_ACTION_KINDS):
        errors.append(_build_error(f"{base_pointer}/name", "the name committee belongs to scaling and restarting"))
    if errors:
        raise validation_failed(errors)
    return PolicySpec(policy.name, kind, policy.component, policy.parameters)


def require_applicable(spec: PolicySpec) -> PolicySpec:
    """Return the policy if its kind can be applied as a policy.

    Raises:
        ProblemError: 422 if its kind has a separate route.
    """
    if spec.kind in COMMITTEE_ACTION_KINDS:
        raise validation_failed([_build_error("/policy/kind", f"{spec.kind} has a route under /api/v1/committee")])
    return spec


def parse_scale_body(body: dict[str, Any]) -> ScaleBody:
    """Return the body of committee/scale; raise 422 if it is invalid."""
    try:
        return ScaleBody.model_validate(body)
    except ValidationError as error:
        raise validation_failed(format_errors(error)) from error


def parse_restart_body(body: dict[str, Any]) -> RestartBody:
    """Return the body of committee/restart; raise 422 if it is invalid."""
    try:
        return RestartBody.model_validate(body)
    except ValidationError as error:
        raise validation_failed(format_errors(error)) from error


def format_errors(error: ValidationError, base_pointer: str = "") -> list[dict[str, str]]:
    """Return the errors with JSON pointers into the body."""
    return [
        _build_error(base_pointer + "".join(f"/{_escape_pointer(str(part))}" for part in item["loc"]), item["msg"])
        for item in error.errors(include_url=False, include_input=False, include_context=False)
    ]


def _check_component(
    component: str | None, kind: ActionKind, components: Collection[str], base_pointer: str
) -> list[dict[str, str]]:
    is_known = (
        component is None or component in components or (component == COMMITTEE and kind in COMMITTEE_ACTION_KINDS)
    )
    return (
        []
        if is_known
        else [_build_error(f"{base_pointer}/component", f"unknown component; known are {', '.join(components)}")]
    )


def _build_error(pointer: str, detail: str) -> dict[str, str]:
    return {"pointer": pointer, "detail": detail}


def _escape_pointer(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")
