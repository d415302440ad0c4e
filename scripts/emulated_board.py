# The ast1030-evb in QEMU under a debugger's control, so that work can be counted to the instruction.

import collections
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading

FLASH_SIZE = 4 << 20
# Commands of the NOR part.
READ, PROGRAM, ERASE = 0x03, 0x02, 0x20
# How the log tells that a byte of the serial line was written or taken.
SERIAL_DATA = b" addr 0x00 "


# What the log is to hold beside instructions.
EVENTS = ["m25p80_transfer", "m25p80_command_decoded", "serial_read", "serial_write"]


class BoardFailure(Exception):
    """What went wrong, in words for people."""


class Symbols:
    """The functions and objects of an ELF file."""

    def __init__(self, elf):
        lines = subprocess.run(
            ["nm", "-S", elf], check=True, capture_output=True, text=True).stdout.splitlines()
        # Names with a dollar sign alone mark code and data within a function.
        rows = [row for row in map(str.split, lines) if not re.fullmatch(r"\$[adt]", row[-1])]
        names = "\n".join(row[-1] for row in rows)
        plain = subprocess.run(
            ["swift", "demangle", "--compact"], input=names, check=True, capture_output=True,
            text=True).stdout.splitlines()
        self.elf = elf
        self.places = {}
        self.sizes = {}
        starts = {}
        for row, name in zip(rows, plain):
            # The lowest bit says Thumb.
            address = int(row[0], 16) & ~(1 if row[-2] in "tT" else 0)
            for key in (row[-1], name):
                self.places[key] = address
                self.sizes[key] = int(row[1], 16) if len(row) > 3 else 0
            if row[-2] in "tT":
                starts[address] = name
        self.starts = sorted(starts.items())

    def address(self, name):
        """Where a function or an object lies."""
        return self.places[self.whole(name)]

    def size(self, name):
        """Bytes of a function or an object."""
        return self.sizes[self.whole(name)]

    def whole(self, name):
        """The name of a symbol, from its whole name or from a part that only it has."""
        if name in self.places:
            return name
        found = [key for key in self.places if name in key]
        if len({self.places[key] for key in found}) != 1:
            raise BoardFailure(f"not one symbol but these are called {name}: {found}")
        return found[0]

    def by_function(self, places):
        """Sums counts by address up to counts by function."""
        totals = collections.Counter()
        starts = self.starts
        at = 0
        for place in sorted(places):
            while at + 1 < len(starts) and starts[at + 1][0] <= place:
                at += 1
            totals[starts[at][1]] += places[place]
        return totals


    def by_line(self, places):
        """Sums counts by address up to counts by source line, inlined or not."""
        # Comes with Swift.
        answers = subprocess.run(
            ["llvm-symbolizer", "--obj=" + self.elf, "--functions=none", "--no-inlines",
             "--basenames"],
            input="\n".join(map(hex, places)), check=True, capture_output=True, text=True).stdout
        totals = collections.Counter()
        for place, answer in zip(places, answers.split("\n\n")):
            totals[answer.strip().rsplit("/", 1)[-1].rsplit(":", 1)[0]] += places[place]
        return totals


class Work:
    """What the processor and the flash did between two places."""

    def __init__(self, turn=None):
        # Instructions by program counter.
        self.places = collections.Counter()
        # Flash commands by their number.
        self.commands = collections.Counter()
        # Bytes on the flash's wires, commands and addresses included.
        self.wire_bytes = 0
        # By the emulator's own count.
        self.instructions = 0
        # By the log of each instruction.
        self.logged = 0
        # Bytes that came back from flash to reads, their commands apart.
        self.bytes_read = 0
        # Where each turn of a loop begins; work in turns that move no byte over the serial line is then
        # not counted.
        self.turn = turn

    def read(self, log):
        """Takes the emulator's log to its end."""
        reading = False
        turn = b"%08x" % self.turn if self.turn is not None else None
        # A turn is counted when its end has shown whether it worked.
        works, places = turn is None, self.places
        for line in log:
            if line.startswith(b"Trace"):
                at = line.index(b"/", 16) + 1
                place = line[at:at + 8]
                if place == turn:
                    if works and places is not self.places:
                        self.places += places
                    works, places = False, collections.Counter()
                places[place] += 1
            elif b"serial_" in line:
                works |= SERIAL_DATA in line
            elif b"m25p80_transfer" in line:
                self.wire_bytes += 1
                if reading:
                    self.bytes_read += 1
            elif b"m25p80_command_decoded" in line:
                command = int(line.rsplit(b"0x", 1)[1], 16)
                self.commands[command] += 1
                # The command's own byte came before it was understood.
                self.bytes_read -= reading
                reading = command == READ
            elif line.startswith(b"cpu_io_recompile"):
                # That instruction is logged once more.
                places[b"%08x" % int(line.rsplit(b" ", 1)[1], 16)] -= 1
            elif line.startswith(b"Stopped"):
                places[line[line.index(b"[") + 1:line.index(b"]")]] -= 1
        if works and places is not self.places:
            self.places += places
        # A read begins with three bytes of address.
        self.bytes_read -= 3 * self.commands[READ]
        self.places = collections.Counter({int(k, 16): n for k, n in self.places.items() if n})
        self.logged = sum(self.places.values())


class EmulatedBoard:
    """A board that stands still until it is told to run to some place.

    `-icount shift=0` makes the emulator count instructions, and recording lets it tell the count.

    With `serial` the board's line is a socket, `serial`. With another `shift` an instruction takes two
    to the power of it in nanoseconds. Either way nothing is recorded, and the log alone counts.
    `contents` is what flash holds.
    """

    def __init__(self, elf, orders=b"", orders_offset=0, serial=False, shift=0, contents=None):
        self.symbols = Symbols(elf)
        self.folder = tempfile.mkdtemp(prefix="martlet-cost")
        self.flash = os.path.join(self.folder, "nor.bin")
        with open(self.flash, "wb") as file:
            file.write(contents or b"\xff" * FLASH_SIZE)
            file.seek(orders_offset)
            file.write(orders)
        gdb = os.path.join(self.folder, "gdb")
        self.log = os.path.join(self.folder, "log")
        os.mkfifo(self.log)
        listener = listen(gdb)
        serial_path = os.path.join(self.folder, "serial")
        serial_listener = listen(serial_path)
        # What comes from outside while a recorded board runs would have to wait for its timers.
        self.records = shift == 0 and not serial
        record = f",rr=record,rrfile={self.folder}/record" if self.records else ""
        self.process = subprocess.Popen(
            ["qemu-system-arm", "-M", "ast1030-evb,fmc-model=w25q32", "-display", "none",
             "-monitor", "none", "-S", "-kernel", elf,
             "-chardev", f"socket,id=serial,path={serial_path}" if serial else "null,id=serial",
             "-serial", "chardev:serial",
             "-drive", f"file={self.flash},format=raw,if=mtd",
             "-icount", f"shift={shift}{record}",
             "-chardev", f"socket,id=gdb,path={gdb}", "-gdb", "chardev:gdb"],
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            self.serial = serial_listener.accept()[0] if serial else None
            self.line = listener.accept()[0]
        except OSError:
            self.process.kill()
            raise BoardFailure("QEMU does not start: " + self.process.communicate()[1].decode())
        listener.close()
        serial_listener.close()
        self.line.settimeout(120)
        self.buffer = b""
        # QEMU sets registers only for a debugger that has asked which there are.
        self.ask("qXfer:features:read:target.xml:0,ffb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()
        self.line.close()
        if self.serial:
            self.serial.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    # The remote protocol of gdb.

    def send(self, text):
        data = text.encode()
        self.line.sendall(b"$%s#%02x" % (data, sum(data) & 0xFF))

    def receive(self):
        while True:
            match = re.search(rb"\$([^#]*)#..", self.buffer)
            if match:
                self.buffer = self.buffer[match.end():]
                self.line.sendall(b"+")
                return match.group(1).decode()
            try:
                more = self.line.recv(1 << 16)
            except TimeoutError:
                raise BoardFailure("the board did not come to where it was to stop in 120 s")
            if not more:
                raise BoardFailure("QEMU went away")
            self.buffer += more

    def ask(self, text):
        self.send(text)
        return self.receive()

    def monitor(self, command):
        """What QEMU's monitor answers."""
        self.send("qRcmd," + command.encode().hex())
        words = ""
        while True:
            answer = self.receive()
            if answer == "OK":
                return words
            if answer.startswith("O"):
                words += bytes.fromhex(answer[1:]).decode()
            else:
                raise BoardFailure(f"QEMU refused {command}: {answer}")

    def read(self, address, length):
        """Bytes of memory."""
        data = b""
        while length > 0:
            run = min(length, 1024)
            data += bytes.fromhex(self.ask(f"m{address:x},{run:x}"))
            address += run
            length -= run
        return data

    def write(self, address, data):
        """Puts bytes into RAM."""
        for at in range(0, len(data), 512):
            run = data[at:at + 512]
            if self.ask(f"M{address + at:x},{len(run):x}:{run.hex()}") != "OK":
                raise BoardFailure(f"QEMU does not write to {address + at:#x}")

    def register(self, number):
        """r0 to r15."""
        words = self.ask("g")[number * 8:number * 8 + 8]
        return int.from_bytes(bytes.fromhex(words), "little")

    def go_on_at(self, address):
        """Sets the program counter."""
        if self.ask("Pf=" + address.to_bytes(4, "little").hex()) != "OK":
            raise BoardFailure("QEMU does not set the program counter")

    def run_to(self, *addresses):
        """Runs until one of the addresses is next, and answers which. Leaves the one it stands at."""
        if self.register(15) in addresses:
            self.ask("s")
        for address in addresses:
            self.ask(f"Z0,{address:x},2")
        self.ask("c")
        for address in addresses:
            self.ask(f"z0,{address:x},2")
        return self.register(15)

    @property
    def count(self):
        """Instructions since power-on."""
        return int(self.monitor("info replay").rsplit("=", 1)[1])

    def run_while(self, body):
        """Runs until `body` has returned, wherever that is. Answers what it returns."""
        self.send("c")
        answer = body()
        self.line.sendall(b"\x03")
        self.receive()
        return answer

    def work_to(self, *addresses):
        """Runs to one of the addresses one logged instruction at a time. Answers the work done."""
        return self.work(lambda: self.run_to(*addresses))[0]

    def work_while(self, body, turn):
        """Runs until `body` has returned, one logged instruction at a time. Answers the work done in
        those turns, which begin at the address `turn`, that moved a byte over the serial line, and what
        `body` returned."""
        return self.work(lambda: self.run_while(body), turn)

    def work(self, run, turn=None):
        """Logs what the board does while it runs. Answers the work and what `run` returned."""
        work = Work(turn)
        before = self.count if self.records else 0

        def follow():
            with open(self.log, "rb") as log:
                work.read(log)

        reader = threading.Thread(target=follow)
        reader.start()
        self.monitor(f"logfile {self.log}")
        self.monitor("singlestep on")
        self.monitor("log exec,nochain," + ",".join("trace:" + event for event in EVENTS))
        answer = run()
        self.monitor("log none")
        self.monitor("singlestep off")
        # Only another file makes QEMU close this one.
        self.monitor(f"logfile {self.folder}/end")
        reader.join()
        if self.records:
            work.instructions = self.count - before
        return work, answer

    def flash_bytes(self):
        """Ends the emulator and answers what flash holds."""
        self.send("qRcmd," + b"quit".hex())
        self.process.wait(20)
        with open(self.flash, "rb") as file:
            return file.read()


def listen(path):
    """A socket that QEMU connects to."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(1)
    listener.settimeout(20)
    return listener


def need(*programs):
    """Ends the script when a program is missing."""
    for program in programs:
        if shutil.which(program) is None:
            sys.exit(f"{program} is not installed; run: make setup")
