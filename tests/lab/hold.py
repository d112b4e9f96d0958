"""A program that holds a lab of one host, for tests that kill it: `python -m tests.lab.hold NAME`."""

import sys

from transship.lab import HostOptions, Lab, LabOptions

if __name__ == "__main__":
    with Lab(LabOptions(name=sys.argv[1], hosts=(HostOptions(disk="100M"),))):
        sys.stdout.write("up\n")
        sys.stdout.flush()
        sys.stdin.read()
