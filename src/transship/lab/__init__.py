from transship.lab.lab import Lab
from transship.lab.node import Node
from transship.lab.options import HostOptions, LabOptions

__all__ = ["HostOptions", "Lab", "LabOptions", "Node"]
