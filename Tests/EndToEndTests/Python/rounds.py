"""What the programs of this folder share: their options, and the run through their checks."""

import argparse
import sys
import traceback


def options(words):
    """A parser with what each program takes.

    words: the program's own description, of which the first line is shown.
    """
    parser = argparse.ArgumentParser(description=words.splitlines()[0])
    parser.add_argument("--url", required=True)
    parser.add_argument("--token-file", required=True)
    return parser


def token(arguments):
    with open(arguments.token_file, encoding="utf-8") as file:
        return file.read().strip()


def run(checked):
    """Calls the methods named `test_...` in their order, and prints a line for each.

    Answers how many there are, and how many failed.
    """
    checks = [name for name in vars(type(checked)) if name.startswith("test_")]
    failures = 0
    for name in checks:
        try:
            getattr(checked, name)()
            print("ok    ", name[5:].replace("_", " "))
        except Exception:
            failures += 1
            print("FAILED", name[5:].replace("_", " "))
            traceback.print_exc(limit=-3, file=sys.stdout)
    return len(checks), failures
