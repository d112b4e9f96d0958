"""The words of `transship swarm`, with what --help says of each."""

from enum import StrEnum
from typing import Annotated

import typer

from transship.cli.words import VerifyChoice

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, all else on stderr.")]
Manager = Annotated[str, typer.Option(metavar="HOST", help="A manager of the swarm; by default the context in use.")]
At = Annotated[
    list[str] | None, typer.Option(metavar="NODE=HOST", help="How a node is reached, if not as ssh://NODE; repeatable.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Accept the warnings of the plan.")]


class MethodChoice(StrEnum):
    """The words of --method."""

    CONSTRAINT = "constraint"
    DRAIN = "drain"


class ImageChoice(StrEnum):
    """The words of --image."""

    SEND = "send"
    PULL = "pull"


class ServiceBindsChoice(StrEnum):
    """The words of --binds."""

    FAIL = "fail"
    EXPECT = "expect"


ServiceName = Annotated[str, typer.Argument(metavar="SERVICE", help="The service's name or id.")]
To = Annotated[str, typer.Option(metavar="NODE", help="The node, by hostname or id.")]
Method = Annotated[
    MethodChoice, typer.Option(help="constraint: pin it to the node; drain: empty the node where it runs.")
]
Source = Annotated[str, typer.Option("--from", metavar="NODE", help="Move the tasks of this node only.")]
Everything = Annotated[bool, typer.Option("--all", help="Move the tasks of every node.")]
Fast = Annotated[
    bool, typer.Option("--fast", help="For this update: all tasks at once, no delay, no watching afterwards.")
]
StartFirst = Annotated[
    bool, typer.Option("--start-first", help="For this update: start the new task before the old one ends.")
]
Unpin = Annotated[bool, typer.Option("--unpin", help="Take the constraint away when the service has arrived.")]
Image = Annotated[
    ImageChoice, typer.Option(help="send: bring what the node lacks over SSH first; pull: the node pulls.")
]
Binds = Annotated[
    ServiceBindsChoice, typer.Option(help="expect: bind-mounted paths are on the target, with their data.")
]
ReplaceData = Annotated[
    bool, typer.Option("--replace-data", help="Overwrite what the target has in volumes of the same name.")
]
Verify = Annotated[VerifyChoice, typer.Option(help="Of volumes; full: contents as well.")]
MaxDowntime = Annotated[str, typer.Option(metavar="TIME", help="Budget for copying volumes after the stop: 500ms, 1s.")]
LimitRate = Annotated[str, typer.Option(metavar="RATE", help="Of what is copied before it: 20MiB/s.")]
Timeout = Annotated[
    str, typer.Option(metavar="TIME", help="How long a task may take to run there, its grace period and delay aside.")
]
ProbeWord = Annotated[str, typer.Option(metavar="PROBE", help="tcp:PORT or http:PORT/PATH; or none.")]
OnlyPlan = Annotated[bool, typer.Option("--plan", help="Say what would be done; touch nothing.")]
