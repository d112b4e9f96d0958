"""What a Python user imports, and all that the command line calls: contexts, facts, plan, move."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from transship import engine
from transship.beginning import begin
from transship.errors import (
    NeedsRecoveryError,
    NotFoundError,
    PreflightError,
    RefusedError,
    SourceNotRetiredError,
    StepError,
    TransshipError,
    UsageError,
)
from transship.hosts import keeper
from transship.hosts.base import Host
from transship.hosts.contexts import default_source, list_contexts
from transship.hosts.facts import Facts, Link, measure_link, observe_criu, observe_host
from transship.hosts.open import open_host
from transship.hosts.readiness import Readiness, keeper_root, readiness
from transship.hosts.survey import Answer, survey
from transship.journal.costs import read_costs
from transship.journal.store import Journal
from transship.journal.stored import JournalError
from transship.ledger import Ledger, Post
from transship.metrics.downtime import Prober
from transship.metrics.events import Listener, Recorder
from transship.observe import observe
from transship.plan.findings import Agreement, errors, no_warnings
from transship.plan.observation import Observation
from transship.plan.options import MoveOptions
from transship.plan.predict import Model
from transship.plan.recalibrate import pair, recalibrate
from transship.plan.record import Record
from transship.plan.steps import Move, Plan
from transship.result import Bytes, MoveResult, Outcome, Side, downtime, memory_arrived
from transship.strategies.choose import choose
from transship.strategies.record import locks, new_record
from transship.strategies.settle import settle as settling_plan
from transship.strategies.settle import settling_name

_LEARN_FROM = 200
"""As many of the latest moves correct what is predicted of the next."""

Opener = Callable[[str], Host]

_STALE_S = 5.0
"""A plan that was thought about for longer is looked at once more before anything is touched."""


def forbidden(plan: Plan) -> bool:
    """Whether a finding of the plan forbids it."""
    return bool(errors(plan.findings))


@dataclass(frozen=True)
class Journey:
    """Which container goes where.

    `source` and `target` are addresses: `local`, `ssh://[user@]host[:port]`, or the name of a Docker context; without
    a source it is where the docker command would work. `ssh_config` is read instead of the user's own file.
    `opener` connects to an address and exists for tests and for hosts of another kind. `state` is the folder of the
    journal; without one it is the user's own. `returns` is the migration that is gone back on: then the copy that it
    left behind is the base, and only what changed since crosses.
    """

    container: str
    target: str
    source: str = field(default_factory=default_source)
    ssh_config: Path | None = None
    opener: Opener | None = None
    state: Path | None = None
    returns: Record | None = None


def contexts(*, ssh_config: Path | None = None) -> list[Answer]:
    """Every Docker context, the default one first, and whether its daemon answers. Raises `UsageError`."""
    return survey(list_contexts(), ssh_config=ssh_config)


@dataclass(frozen=True, slots=True)
class HostCheck:
    """What was observed of a host, for which strategies it can serve, and its link's speed if that was asked for."""

    facts: Facts
    readiness: tuple[Readiness, ...]
    link: Link | None


def check_host(address: str, *, ssh_config: Path | None = None, with_link: bool = False) -> HostCheck:
    """Observe a host; nothing is changed there. `with_link` sends and fetches random bytes for about a second.

    Raises `UsageError` for an address that is none, and the `HostError` that tells why the host cannot be used.
    """
    with open_host(address, ssh_config=ssh_config) as host:
        facts = observe_criu(host, observe_host(host))
        return HostCheck(facts, readiness(facts), measure_link(host) if with_link else None)


def plan(journey: Journey, options: MoveOptions | None = None, *, listener: Listener | None = None) -> Plan:
    """Say what `move` would do and what is in its way. Touches nothing.

    Raises `RefusedError` when a host cannot be used or has no such container, `UsageError` for wrong words. A plan
    with findings that forbid the move is returned, not raised.
    """
    recorder = _recorder(listener)
    with Journal.open(journey.state) as journal, _connected(journey, recorder) as hosts:
        chosen = options or MoveOptions()
        seen = _observed(journey, chosen, recorder, hosts)
        beginning = begin(journal, seen, chosen, hosts[1], journey.returns)
        seen, chosen = beginning.observed(seen, chosen), beginning.options(chosen)
        return _planned(seen, chosen, recorder, beginning.migration, journal)


def move(
    journey: Journey,
    options: MoveOptions | None = None,
    *,
    agreed: Agreement = no_warnings,
    listener: Listener | None = None,
) -> MoveResult:
    """Move a running container, and return what happened once it is proven healthy on the target.

    `agreed` is asked before anything is touched whether the plan shall be carried out in spite of its findings, and
    while the source still serves about what shows only on the way, such as a downtime beyond the budget.

    Raises:
        UsageError: the words are wrong.
        RefusedError: a host cannot be used, a finding forbids the move, `agreed` said no, or Ctrl-C came before
            anything was touched.
        RolledBackError: the move failed; the source runs as before.
        NeedsRecoveryError: it is not certain what runs where.
        SourceNotRetiredError: the target serves, the source is stopped, but could not be renamed or removed.

    Where hosts could be observed, the error's `result` is the `MoveResult`.

    """
    with engine.first_interrupt_only() as interrupts:
        try:
            return _move(journey, options or MoveOptions(), agreed, _recorder(listener), interrupts)
        except KeyboardInterrupt as error:  # later ones are the engine's
            raise RefusedError("interrupted; nothing was touched") from error


def _move(
    journey: Journey, options: MoveOptions, agreed: Agreement, recorder: Recorder, interrupts: engine.Interrupts
) -> MoveResult:
    with Journal.open(journey.state) as journal, _connected(journey, recorder) as (source, target):
        seen = _observed(journey, options, recorder, (source, target))
        beginning = begin(journal, seen, options, target, journey.returns)
        seen, options = beginning.observed(seen, options), beginning.options(options)
        made = _planned(seen, options, recorder, beginning.migration, journal)
        record = beginning.recorded(new_record(seen, options, made.strategy, (source, target), beginning.migration))
        ledger = Ledger(record, journal, _posts(seen, options, (source, target)), resumed=beginning.resumed)
        source_root, target_root = (facts.root_access or "none" for facts in (seen.source, seen.target))
        under_way = Move(source, target, recorder, ledger, target_root, source_root, agreed)
        prober = _prober(options, under_way)
        try:
            asked = time.monotonic()
            _refuse(made, agreed)
            if time.monotonic() - asked > _STALE_S:
                now = beginning.observed(_observed(journey, options, recorder, (source, target)), options)
                _refuse_news(made, _planned(now, options, recorder, beginning.migration, journal))
            interrupts.armed = False  # from here on the engine heeds them, and nobody while the result is gathered
            with ledger, prober or nullcontext(), under_way.resources:
                engine.run(made, under_way)
        except TransshipError as error:
            error.result = _noted(_result(made, seen, under_way, prober, error), journal)
            raise
        return _noted(_result(made, seen, under_way, prober), journal)


def settle(journey: Journey, *, listener: Listener | None = None) -> MoveResult:
    """Make one ordinary container of one that was moved live and its sandbox, on the host where they are.

    It is stopped and started; data, volumes, name and settings stay. `journey.source` and `journey.target` are both
    that host. Raises as `move`, and `PreflightError` where it has no sandbox.
    """
    if journey.source != journey.target:
        raise UsageError("a container is settled on the host where it is", hint="transship move takes it elsewhere")
    with engine.first_interrupt_only() as interrupts:
        try:
            return _settle(journey, _recorder(listener), interrupts)
        except KeyboardInterrupt as error:
            raise RefusedError("interrupted; nothing was touched") from error


def _settle(journey: Journey, recorder: Recorder, interrupts: engine.Interrupts) -> MoveResult:
    options = MoveOptions(strategy="sync", source="remove")
    with Journal.open(journey.state) as journal, _connected(journey, recorder) as hosts:
        seen = _observed(journey, options, recorder, hosts)
        options = replace(options, name=settling_name(seen.spec.name))
        migration = begin(journal, seen, options, hosts[1], None).migration
        made = settling_plan(seen, options, migration)
        held, named = locks(seen, options)
        # One keeper: what it does where this process is lost, it does on the only host that there is.
        post = Post(hosts[0], keeper_root(seen.source), (*held, *named[:1]))
        ledger = Ledger(new_record(seen, options, made.strategy, hosts, migration), journal, {"source": post})
        root = seen.source.root_access or "none"
        under_way = Move(*hosts, recorder, ledger, root, root)
        try:
            _refuse(made, no_warnings)
            interrupts.armed = False
            with ledger, under_way.resources:
                engine.run(made, under_way)
        except TransshipError as error:
            error.result = _noted(_result(made, seen, under_way, None, error), journal)
            raise
        return _noted(_result(made, seen, under_way, None), journal)


def _noted(result: MoveResult, journal: Journal) -> MoveResult:
    """How a move ended does not hang on whether its numbers could be kept."""
    with suppress(JournalError):
        journal.predicted(result.migration, dict(result.predicted))
        journal.happened(result.migration, result.to_json())
    return result


def _posts(seen: Observation, options: MoveOptions, hosts: tuple[Host, Host]) -> dict[keeper.Side, Post]:
    """Where keepers stand."""
    here, there = locks(seen, options)
    return {
        "source": Post(hosts[0], keeper_root(seen.source), here),
        "target": Post(hosts[1], keeper_root(seen.target), there),
    }


def _recorder(listener: Listener | None) -> Recorder:
    return Recorder(listeners=[] if listener is None else [listener])


@contextmanager
def _connected(journey: Journey, recorder: Recorder) -> Iterator[tuple[Host, Host]]:
    """Both hosts, connected at the same time."""

    def connect(address: str) -> Host:
        opener = journey.opener or (lambda text: open_host(text, ssh_config=journey.ssh_config))
        return opener(address)

    with ExitStack() as stack, recorder.phase("connect", f"to {journey.source} and {journey.target}"):
        with ThreadPoolExecutor(2) as pool:
            pending = [pool.submit(connect, address) for address in (journey.source, journey.target)]
        hosts = [stack.enter_context(each.result()) for each in pending if each.exception() is None]
        for each in pending:
            each.result()
        open_hosts = stack.pop_all()
    with open_hosts:
        yield hosts[0], hosts[1]


def _observed(journey: Journey, options: MoveOptions, recorder: Recorder, hosts: tuple[Host, Host]) -> Observation:
    with recorder.phase("observe", "both hosts and the container"):
        try:
            return observe(*hosts, journey.container, options)
        except StepError as error:  # a daemon refused a question; nothing was asked to change
            raise PreflightError(str(error), hint=error.hint) from error


def _planned(seen: Observation, options: MoveOptions, recorder: Recorder, migration: str, journal: Journal) -> Plan:
    """The plan, with predictions that earlier moves from this machine have corrected."""
    with recorder.phase("plan"):
        return choose(seen, options, migration, model=_learned(journal))


def _learned(journal: Journal) -> Model:
    """What experiments and earlier moves tell of costs. That they cannot be read any more is no reason not to move."""
    try:
        model = read_costs(journal.path.parent) or Model()
        pairs = [pair(each.predicted or {}, each.happened or {}, model) for each in journal.history(_LEARN_FROM)]
    except JournalError:
        return Model()
    return recalibrate(model, pairs)


def _prober(options: MoveOptions, under_way: Move) -> Prober | None:
    if options.probe is None:
        return None
    return Prober(options.probe, {host.name: host.network_address for host in (under_way.source, under_way.target)})


def _refuse(made: Plan, agreed: Agreement) -> None:
    if forbidding := errors(made.findings):
        raise PreflightError("; ".join(finding.message for finding in forbidding), hint=forbidding[0].hint)
    if not agreed(made.findings):
        warnings = "; ".join(finding.message for finding in made.findings if finding.severity == "warning")
        raise PreflightError(f"nobody agreed to the plan's warnings: {warnings}", hint="--yes accepts them")


def _refuse_news(made: Plan, now: Plan) -> None:
    """Somebody thought about the plan for a while: what was not in it then, nobody has agreed to."""
    known = {(each.code, each.message) for each in made.findings}
    news = [each for each in now.findings if each.severity != "note" and (each.code, each.message) not in known]
    if news:
        raise PreflightError(
            f"something has changed since the plan was shown: {'; '.join(each.message for each in news)}",
            hint="begin again, with a new plan",
        )


def _result(
    made: Plan, seen: Observation, under_way: Move, prober: Prober | None, error: TransshipError | None = None
) -> MoveResult:
    recorder, data = under_way.recorder, under_way.measured
    phases = tuple(sorted(recorder.phases, key=lambda phase: phase.start_s))
    return MoveResult(
        migration=under_way.id,
        strategy=made.strategy,
        reason=made.reason,
        outcome=_outcome(error),
        container=seen.spec.name,
        source=_side(under_way.source, seen.state.container_id),
        target=_side(under_way.target, under_way.made.container),
        downtime_s=downtime(phases),
        total_s=recorder.now(),
        bytes={word: Bytes(data.sizes.get(word, count), count) for word, count in data.bytes.items()},
        phases=phases,
        findings=made.findings,
        verified=tuple(data.verified),
        rounds=tuple(data.rounds),
        path=data.path,
        predicted={} if made.advice is None else made.advice.prediction.to_json(),
        memory_s=memory_arrived(phases),
        client=None if prober is None else prober.report(),
        error="" if error is None else str(error),
    )


def _outcome(error: TransshipError | None) -> Outcome:
    if error is None:
        return "moved"
    if isinstance(error, PreflightError):
        return "refused"
    if isinstance(error, SourceNotRetiredError):
        return "moved-source-not-retired"
    return "needs-recovery" if isinstance(error, NeedsRecoveryError) else "rolled-back"


def _side(host: Host, container: str) -> Side:
    """What became of one copy, as its host says now."""
    if not container:
        return Side(host.name, "", "absent")
    try:
        state = str(host.docker.inspect_container(container)["State"]["Status"])
    except NotFoundError:
        state = "absent"
    except TransshipError:
        state = "unknown"
    return Side(host.name, container, state)
