"""What is to be done about a migration that was cut off: from what was written down and what is observed. No I/O."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from transship.journal.decision import NOTHING_TOLD, Action, Decision, Offer, Seen, Side, Told
from transship.plan.record import End, Record, Stage

Condition = Literal["runs", "frozen", "stopped", "absent", "lost", "unknown"]
Owner = Literal["source", "either", "target", "contested"]

_BEFORE_RELEASE = frozenset({"preparing", "fenced", "stopping"})
_NOT_RUNNING = frozenset({"created", "exited", "dead", "removing"})
_GONE = frozenset({"absent", "lost"})


@dataclass(frozen=True, slots=True)
class _Case:
    record: Record
    source: Seen
    target: Seen
    told: Told

    @property
    def here(self) -> Condition:
        return _condition(self.source, lost=self.told.lost == "source")

    @property
    def there(self) -> Condition:
        """A frozen target counts as one that runs: it has been started, and may go on at any moment."""
        found = _condition(self.target, lost=self.told.lost == "target")
        return "runs" if found == "frozen" else found

    @property
    def stages(self) -> set[Stage]:
        found = (self.record.stage, self.source.stage, self.target.stage)
        return {stage for stage in found if stage is not None}

    @property
    def owner(self) -> Owner:
        """Who may run the container by what was written down: the furthest stage counts.

        Two stages are stronger than that. `restored` means that the source serves again, whatever came before. And
        where the source's own host never wrote, or took back, `released`, nobody may have started the target: what the
        journal says beyond that was an intent only.
        """
        forward = self.stages & {"forward", "committed"}
        if "restored" in self.stages:
            return "contested" if forward else "source"
        if forward:
            return "target"
        if "released" not in self.stages:
            return "source"
        if self.source.stage in _BEFORE_RELEASE and self.target.stage != "released":
            return "source"
        return "either"

    @property
    def only_source(self) -> bool:
        """Whether no record that could be read ever let the target start; or the source has served again since."""
        return self.owner == "source" and ("restored" in self.stages or self.stages <= _BEFORE_RELEASE)

    @property
    def taken_back(self) -> bool:
        """Whether an undo was under way: it first takes the right to start the container from the target's keeper."""
        return self.target.stage in _BEFORE_RELEASE

    @property
    def fails(self) -> bool:
        """Whether the target runs and does not serve."""
        return self.target.health == "unhealthy" or self.target.state != "running"


def _condition(seen: Seen, *, lost: bool) -> Condition:
    if not seen.reachable:
        return "lost" if lost else "unknown"
    if not seen.present:
        return "absent"
    if seen.state == "paused":
        return "frozen"
    return "stopped" if seen.state in _NOT_RUNNING else "runs"


def decide(record: Record, source: Seen, target: Seen, told: Told = NOTHING_TOLD) -> Decision:
    """Decide what to do about a migration, whose `record` is the journal's, or that of any host where there is none.

    No decision starts one side unless the other was observed not to run, or is lost by the user's word. The one
    exception: the source may start while the target cannot be reached, if no record says that the target ever was
    allowed to. What two sides disagree about, or what would throw away a copy that has run on its own, is asked.
    Deciding again after the actions were carried out leads to no further action.
    """
    case = _Case(record, _heard(source), _heard(target), told)
    rules: tuple[Callable[[_Case], Decision | None], ...] = (
        _ended,
        _under_way,
        _two_run,
        _out_of_reach,
        _nothing_left,
        _contested,
    )
    found = next((decision for rule in rules if (decision := rule(case))), None) or _BY_OWNER[case.owner](case)
    contrary = {"source": {"finish"}, "target": {"bring-back", "clean-up"}}.get(told.keep, set())
    if found.kind in contrary:
        return Decision("ask", f"There is nothing to choose, so leave out --keep. {found.why}")
    return found


def _heard(seen: Seen) -> Seen:
    return seen if seen.reachable else Seen(reachable=False)


# What does not depend on who may run the container


def _ended(case: _Case) -> Decision | None:
    if case.stages == {"ended"}:
        return Decision("nothing", f"It has ended: {case.record.outcome}." if case.record.outcome else "It has ended.")
    if "ended" in case.stages and not (case.source.held or case.target.held):
        return Decision("nothing", "It has ended; that is only to be written down everywhere.", ("end",))
    return None


def _under_way(case: _Case) -> Decision | None:
    hosts = [end.name for end, seen in _ends(case) if seen.held]
    return Decision("wait", f"It is under way: somebody is at work on {' and '.join(hosts)}.") if hosts else None


def _two_run(case: _Case) -> Decision | None:
    if case.here != "runs" or case.there != "runs":
        return None
    return _ask(
        case,
        f"Two copies run: {case.record.container} on {case.record.source.name} and {case.record.arriving} on "
        f"{case.record.target.name}. Somebody has started one of them by hand, and both may have written data since.",
        ("source", "target"),
    )


def _out_of_reach(case: _Case) -> Decision | None:
    unknown = [end.name for end, seen in _ends(case) if not seen.reachable]
    if case.here == "unknown":
        offers: tuple[Offer, ...] = () if len(unknown) > 1 else ("--source-is-lost",)
    elif case.there == "unknown" and (case.here in _GONE or not case.only_source):
        offers = ("--target-is-lost",)
    else:
        return None
    return Decision(
        "ask",
        f"{' and '.join(unknown)} cannot be reached, and the container may run there. Try again when that has changed.",
        offers=offers,
    )


def _nothing_left(case: _Case) -> Decision | None:
    if case.here not in _GONE or case.there not in _GONE:
        return None
    if "committed" in case.stages:
        return Decision("finish", "It was moved; the container is gone from both hosts by now.", ("end",))
    return _ask(case, "Neither host has the container any more, so nothing can be made to serve.", ("source",))


def _contested(case: _Case) -> Decision | None:
    if case.owner != "contested":
        return None
    if case.here in _GONE:
        return _target_serves(case)
    if case.there in _GONE:
        return _source_serves(case)
    return _ask(
        case,
        f"The records contradict each other: by one of them {case.record.source.name} serves again, by another "
        f"{case.record.target.name} does.",
        ("source", "target"),
    )


# By who may run the container


_SOURCE_GONE: dict[Condition, tuple[Side, ...]] = {"runs": ("target",), "stopped": ("source", "target")}
"""What may be kept, by what the target is."""


def _source_serves(case: _Case) -> Decision:
    """The target was never complete, or was given up."""
    record = case.record
    if case.here in _GONE:
        offers = _SOURCE_GONE.get(case.there, ("source",))
        return _ask(case, f"{_gone(case)}, and what {record.target.name} has of it may not be complete.", offers)
    if case.there == "runs":
        return _ask(
            case,
            f"Somebody has started {record.arriving} on {record.target.name}, which was not its turn: what it has may "
            f"not be complete. {record.container} on {record.source.name} does not run.",
            ("source", "target"),
        )
    untouched = "restored" in case.stages or case.stages == {"preparing"}
    back: tuple[Action, ...] = () if untouched else (_restoring(case),)
    if case.there == "unknown":
        if not back:
            return Decision(
                "ask",
                f"{record.source.name} has the container as it was. What was made on {record.target.name} cannot be "
                "removed, as that cannot be reached; try again when it can.",
                offers=("--target-is-lost",),
            )
        return _back(f"{record.target.name} cannot be reached, but never was allowed to start it.", *back)
    return _back(f"{record.target.name} had not taken over.", *back, *_cleaning(case))


def _either(case: _Case) -> Decision:
    """The source was released, and is complete; so is the target, which may have been started."""
    if case.there == "runs":
        return _target_runs(case)
    if case.there in _GONE:
        return _back(f"The container is gone from {case.record.target.name}.", _restoring(case), *_cleaning(case))
    if case.here in _GONE:
        return _finish(case, f"{_gone(case)}, and {case.record.target.name} has a complete copy.")
    return _both_complete(case)


def _both_complete(case: _Case) -> Decision:
    """The target was released and does not run; the source may have been started by somebody."""
    there, newer = case.record.target.name, case.target.ran and not case.taken_back
    if case.here == "runs" and newer:
        return _ask(case, _both_ran(case), ("source", "target"))
    if case.told.keep and case.here != "runs":
        return _ask(case, "Neither copy runs.", ("source", "target"))
    if newer and case.record.memory and case.here == "frozen":
        return _ask(case, _went_on(case), ("source", "target"))
    if newer:
        return _finish(case, f"{there} has run it already, and may have newer data than the source.")
    return _back(f"Both copies are complete, and {there} has not served yet.", _restoring(case), *_cleaning(case))


def _target_runs(case: _Case) -> Decision:
    """The target has taken over, and the source does not run."""
    may_go_back = "committed" not in case.stages and case.here not in _GONE
    if may_go_back and (case.fails or case.told.keep == "source"):
        return _ask(case, _failing(case), ("source", "target"))
    return _finish(case, f"{case.record.target.name} has taken over.")


def _target_serves(case: _Case) -> Decision:
    """The target's copy is the one that counts; the source's ends where it was stopped."""
    record, there = case.record, case.record.target.name
    if case.there == "runs":
        return _target_runs(case)
    if case.there == "lost":
        return _back(f"{there} is lost, and what it has written with it.", _restoring(case), *_cleaning(case))
    if case.there == "absent":
        return _ask(
            case,
            f"{there} has served, and {record.arriving} was removed there since; {record.source.name} has "
            f"the data as it was when it was stopped{', and runs' if case.here == 'runs' else ''}.",
            ("source",) if case.here == "runs" else ("source", "target"),
        )
    if case.here == "runs":
        return _ask(case, _both_ran(case), ("source", "target"))
    return _finish(case, f"{there} has served; somebody or something has stopped it there since.")


_BY_OWNER: dict[Owner, Callable[[_Case], Decision]] = {
    "source": _source_serves,
    "either": _either,
    "target": _target_serves,
}


# How a decision is made of that


def _ask(case: _Case, why: str, offered: tuple[Side, ...]) -> Decision:
    """A question which may have been answered already."""
    if case.told.keep == "source" and "source" in offered:
        return _keep_source(case)
    if case.told.keep == "target" and "target" in offered:
        return _keep_target(case)
    offers: dict[Side, Offer] = {"source": "--keep source", "target": "--keep target"}
    return Decision("ask", why, offers=tuple(offers[end] for end in offered))


def _keep_source(case: _Case) -> Decision:
    stop: tuple[Action, ...] = ("stop-target",) if case.there == "runs" else ()
    starts = case.record.running and case.here != "runs"
    back: tuple[Action, ...] = ("restore-source" if starts else _restoring(case),)
    back = () if case.here in _GONE else back
    return _back("The copy of the source is to be kept.", *stop, *back, *_cleaning(case))


def _keep_target(case: _Case) -> Decision:
    """By the user's word, which may be mistaken: so the source is not removed."""
    actions: list[Action] = ["stop-source"] if case.here == "runs" else []
    if case.there != "absent":
        actions += _starting(case)
        actions += ["settle-target"]
    actions += [] if case.here in _GONE else ["set-source-aside"]
    return Decision("finish", "The copy of the target is to be kept.", (*actions, "end"))


def _back(why: str, *actions: Action) -> Decision:
    starts = {"restore-source", "stop-target"} & set(actions)
    return Decision("bring-back" if starts else "clean-up", why, actions)


def _finish(case: _Case, why: str) -> Decision:
    actions: list[Action] = []
    if "committed" not in case.stages:
        actions += _starting(case)
        actions += ["settle-target"]
        # where there is nothing to go back to, a proof would only keep it from ending
        actions += ["prove-target"] if case.record.running and case.here not in _GONE else []
        actions += ["commit"]
    actions += [] if case.here in _GONE else ["retire-source"]
    return Decision("finish", why, (*actions, "end"))


def _starting(case: _Case) -> list[Action]:
    stands = case.there == "stopped" or case.target.state == "paused"
    return ["start-target"] if stands and case.record.running else []


def _restoring(case: _Case) -> Action:
    """One that runs is left alone, unless it may have been told to stop, which may still be under way."""
    if not case.record.running:
        return "return-policy"
    if case.owner != "source" or "restored" in case.stages:
        return "return-policy" if case.here == "runs" else "restore-source"
    if case.stages & {"stopping", "released"}:
        return "restore-source"
    return "return-policy" if case.here in {"runs", "frozen"} else "restore-source"


def _cleaning(case: _Case) -> tuple[Action, ...]:
    return ("end",) if case.there == "lost" else ("clean-target", "end")


def _ends(case: _Case) -> tuple[tuple[End, Seen], ...]:
    return (case.record.source, case.source), (case.record.target, case.target)


def _gone(case: _Case) -> str:
    name = case.record.source.name
    return f"{name} is lost" if case.here == "lost" else f"{case.record.container} was removed on {name}"


def _failing(case: _Case) -> str:
    record = case.record
    serves = "does not serve" if case.target.health == "unhealthy" or case.target.state != "running" else "serves"
    return (
        f"{record.target.name} has taken over, and {record.arriving} runs there, but {serves}. It may have newer data "
        f"than {record.source.name}, whose copy is as it was when it was stopped."
    )


def _went_on(case: _Case) -> str:
    record = case.record
    came = "before all of its memory had come" if record.memory == "following" else "with its memory"
    return (
        f"{record.arriving} went on on {record.target.name} {came}, and has ended there. What it did there is left in "
        f"its files only. {record.source.name} has the processes with all memory, frozen as they were before."
    )


def _both_ran(case: _Case) -> str:
    record = case.record
    return (
        f"{record.arriving} ran on {record.target.name} and is stopped; meanwhile somebody has started "
        f"{record.container} on {record.source.name}. Both may have written data since."
    )


def explain(record: Record, source: Seen, target: Seen) -> str:
    """One sentence about what runs where, with a warning where a copy runs that should not."""
    case = _Case(record, _heard(source), _heard(target), NOTHING_TOLD)
    here, there = record.source.name, record.target.name
    if case.here == "runs" and case.there == "runs":
        return f"WARNING: two copies run, {record.container} on {here} and {record.arriving} on {there}"
    moved = case.owner in {"either", "target"} or record.outcome.startswith("moved")
    said = f"{record.container} {_STATE[case.here]} on {here}, {record.arriving} {_STATE[case.there]} on {there}"
    if case.there == "runs" and record.memory == "following" and case.owner == "either":
        said = f"{said}, and may lack memory that {here} has"
    if source.held or target.held:
        said = f"under way: {said}"
    if case.stages == {"ended"} and "unknown" not in {case.here, case.there}:
        return said  # where a later migration has taken it since is none of this one's business
    if case.here == "runs" and moved:
        return f"WARNING: {said}: somebody has started the old copy"
    if case.here in {"frozen", "stopped"} and moved and case.source.policy not in {"", "no"}:
        return f"WARNING: {said}: the old copy has a restart policy, and may start by itself"
    if case.there == "runs" and not moved:
        return f"WARNING: {said}: somebody has started the new copy, which may not be complete"
    return said


_STATE: dict[Condition, str] = {
    "runs": "runs",
    "frozen": "is frozen",
    "stopped": "is stopped",
    "absent": "is not",
    "lost": "is lost",
    "unknown": "may run or not (no connection)",
}
