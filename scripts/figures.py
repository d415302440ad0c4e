# Figures as every measuring script reports them: lines, .build/bench/<target>.jsonl, thresholds.

import json
import math
import os
import sys


class Bench:
    """Collects figures, prints them and holds them against thresholds.

    A threshold file has a line a figure: its name, the most it may be, and where there is a bar that
    it is to meet, the bar, as `<1934` (below) or `<=256` (at most). With a bar like `>=0.75` (at least)
    the threshold is the least it may be. A threshold on the wrong side of its bar keeps a figure that
    misses the bar from getting worse; the figure's line says that the bar is missed. A figure with `-`
    for a threshold is reported and held against nothing.
    """

    WORDS = {"<": "below", "<=": "at most", ">=": "at least"}

    def __init__(self, target, thresholds):
        self.target = target
        self.path = thresholds
        self.figures = {}
        self.limits = {}
        self.bars = {}
        self.comments = []
        with open(thresholds) as file:
            for line in file:
                if line.startswith("#"):
                    self.comments.append(line)
                words = line.split("#")[0].split()
                if not words:
                    continue
                self.limits[words[0]] = None if words[1] == "-" else float(words[1])
                if len(words) > 2:
                    self.bars[words[0]] = words[2]

    def add(self, name, value, unit):
        self.figures[name] = (value, unit)
        words = f"{shown(value)} {unit}".strip()
        print(f"{name}: {words}{self.verdict(name, value)}", flush=True)

    def bar(self, name):
        """The words and the number of a figure's bar."""
        bar = self.bars[name]
        number = bar.lstrip("<>=")
        return self.WORDS[bar[:-len(number)]], float(number)

    def least(self, name):
        """Whether the figure's threshold is the least it may be, and not the most."""
        return name in self.bars and self.bar(name)[0] == "at least"

    def misses(self, name, value):
        if name not in self.bars:
            return False
        words, bound = self.bar(name)
        if words == "at least":
            return value < bound
        return value > bound or (value == bound and words == "below")

    def verdict(self, name, value):
        if name not in self.bars:
            return ""
        words, bound = self.bar(name)
        return f", bar {words} {shown(bound)}: {'MISSED' if self.misses(name, value) else 'met'}"

    def adopt(self):
        """Makes the figures of this run the thresholds, with some room where there is no bar."""
        with open(self.path, "w") as file:
            file.writelines(self.comments)
            for name, (value, _) in sorted(self.figures.items()):
                if name in self.bars:
                    words, bound = self.bar(name)
                    allowed = bound - (words == "below")
                    limit = value if self.misses(name, value) else allowed
                    file.write(f"{name} {shown(limit)} {self.bars[name]}\n")
                elif name in self.limits and self.limits[name] is None:
                    file.write(f"{name} -\n")
                elif value > 0:
                    file.write(f"{name} {math.ceil(value * 1.02)}\n")
            for name in sorted(self.bars.keys() - self.figures.keys()):
                file.write(f"{name} {shown(self.limits[name])} {self.bars[name]}\n")

    def keep_measured(self):
        """Forgets thresholds of figures that this run did not mean to measure."""
        self.limits = {name: self.limits[name] for name in self.limits if name in self.figures}

    def table(self):
        """Prints figure, value, bar and whether it is reached, a line a figure."""
        rows = [("figure", "value", "bar", "")]
        for name, (value, unit) in self.figures.items():
            bar, verdict = "", ""
            if name in self.bars:
                words, bound = self.bar(name)
                bar = f"{words} {shown(bound)}"
                verdict = "MISSED" if self.misses(name, value) else "reached"
            rows.append((name, f"{shown(value)} {unit}".strip(), bar, verdict))
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        for name, value, bar, verdict in rows:
            line = f"{name:{widths[0]}}  {value:>{widths[1]}}  {bar:{widths[2]}}  {verdict}"
            print(line.rstrip())

    def finish(self, adopt=False):
        """Writes the figures and returns the exit status."""
        os.makedirs(".build/bench", exist_ok=True)
        with open(f".build/bench/{self.target}.jsonl", "w") as file:
            for name, (value, unit) in self.figures.items():
                file.write(json.dumps({"name": name, "value": value, "unit": unit}) + "\n")
        if adopt:
            self.adopt()
            print(f"{self.target}: {self.path} holds the figures of this run")
            return 0
        bad = []
        for name, limit in self.limits.items():
            if name in self.figures:
                value, unit = self.figures[name]
                if limit is None:
                    continue
                if self.least(name) and value < limit:
                    bad.append(
                        f"{name} is {shown(value)} {unit}, under its threshold of {shown(limit)}")
                elif not self.least(name) and value > limit:
                    bad.append(
                        f"{name} is {shown(value)} {unit}, over its threshold of {shown(limit)}")
            else:
                bad.append(f"{self.path} names {name}, which was not measured")
        for name, (value, _) in self.figures.items():
            if name not in self.limits and value > 0:
                bad.append(f"{name} has no threshold")
        for line in bad:
            print(f"{self.target}: {line} ({self.path})", file=sys.stderr)
        missed = [name for name, (value, _) in self.figures.items() if self.misses(name, value)]
        if missed:
            print(f"{self.target}: bars missed: {', '.join(missed)}")
        if not bad:
            print(f"{self.target}: every figure is within its threshold")
        return 1 if bad else 0


def shown(value):
    """A number without a needless fraction."""
    return str(int(value)) if value == int(value) else f"{value:.2f}"
