# The host's end of the link protocol (docs/formats/link.md), as far as a measurement needs it.

import os
import struct
import subprocess
import tempfile

HELLO, OFFER, DATA, LEASE_STATUS, DONE, STARTING, IDENTITY = 1, 2, 4, 5, 6, 7, 10
WHO, WELCOME, LEASE, NEXT, FETCH, RECEIPT, GO, _, PROVISION = range(0x81, 0x8A)
MARKER = 0x91
STORED = 1


class LinkFailure(Exception):
    """What the board did not do, in words for people."""


def remainder(value):
    for _ in range(8):
        value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value


REMAINDERS = [remainder(value) for value in range(256)]


def crc32c(data):
    """CRC-32C (RFC 3720 B.4)."""
    value = 0xFFFFFFFF
    for byte in data:
        value = value >> 8 ^ REMAINDERS[(value ^ byte) & 0xFF]
    return value ^ 0xFFFFFFFF


def encode(data):
    """COBS (Cheshire and Baker, 1999), for less than 254 bytes."""
    return b"".join(bytes([len(run) + 1]) + run for run in data.split(b"\0"))


def decode(data):
    """Undoes COBS; nothing when the bytes are no COBS."""
    out = b""
    while data:
        code = data[0]
        run, data = data[1:code], data[code:]
        if len(run) != code - 1:
            return None
        out += run
        if code < 0xFF and data:
            out += b"\0"
    return out


class Authority:
    """The service, as far as a board meets it: a signing key, and leases (docs/formats/lease.md)."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="martlet-cost")
        self.key = os.path.join(self.folder.name, "key.pem")
        self.openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", self.key)
        # The end of a SubjectPublicKeyInfo is the uncompressed point.
        self.signing_key = self.openssl("pkey", "-in", self.key, "-pubout", "-outform", "DER")[-64:]

    @staticmethod
    def openssl(*words, data=b""):
        return subprocess.run(
            ["openssl", *words], input=data, check=True, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL).stdout

    def sign(self, message):
        """r and s, of openssl's DER: a sequence of two integers."""
        der = self.openssl("dgst", "-sha256", "-sign", self.key, data=message)
        length = der[3]
        numbers = der[4:4 + length], der[6 + length:]
        return b"".join(number.lstrip(b"\0").rjust(32, b"\0") for number in numbers)

    def lease(self, device, nonce, epoch=1, lifetime=3600):
        """An opt-in for a device."""
        head = b"ML" + bytes([2, 1, 1, 0, 0, 0]) + nonce + struct.pack("<II", epoch, lifetime)
        # Any public key that is not of small order: the base point's own.
        lease = head + device + struct.pack("<I", 1) + bytes([9]) + bytes(31)
        return lease + self.sign(lease)


class LinkHost:
    """Talks to a board over a socket, one request after the other."""

    def __init__(self, line):
        self.line = line
        self.line.settimeout(60)
        self.buffer = b""
        self.sequence = 0
        # Bytes of the line in either direction.
        self.sent = 0
        self.received = 0

    def send(self, kind, payload=b""):
        self.sequence = self.sequence % 255 + 1
        frame = bytes([MARKER, kind, self.sequence]) + payload
        data = b"\0" + encode(frame + struct.pack("<I", crc32c(frame))) + b"\0"
        self.line.sendall(data)
        self.sent += len(data)

    def frame(self):
        """The next whole frame: its type and payload. Text and what is damaged is left out."""
        while True:
            head, found, rest = self.buffer.partition(b"\0")
            if not found:
                try:
                    more = self.line.recv(1 << 16)
                except TimeoutError:
                    raise LinkFailure("the board says nothing for 60 s")
                if not more:
                    raise LinkFailure("the board's line was closed")
                self.received += len(more)
                self.buffer += more
                continue
            self.buffer = rest
            data = decode(head)
            if data and len(data) >= 7 and data[0] == MARKER and (
                    crc32c(data[:-4]) == int.from_bytes(data[-4:], "little")):
                return data[1], data[3:-4]

    def wait(self, *kinds):
        """The next frame of one of the types."""
        while True:
            kind, payload = self.frame()
            if kind in kinds:
                return payload

    def ask(self, kind, answer, payload=b""):
        self.send(kind, payload)
        return self.wait(answer)

    def welcome(self, largest_frame):
        return self.ask(WELCOME, HELLO, struct.pack("<BH", 1, largest_frame))

    def provision(self, authority):
        """Gives the board an identity that trusts an authority. Answers its id and its nonce."""
        # The claim key is that of nobody.
        self.ask(PROVISION, IDENTITY, authority.signing_key + bytes([9]) + bytes(31) + bytes(16))
        hello = self.ask(WHO, HELLO)
        return hello[4:68], hello[114:130]

    def accepted(self):
        """Waits for the board's word on a lease that it was sent."""
        status = self.wait(LEASE_STATUS)
        if status[:2] != bytes([1, 0]):
            raise LinkFailure(f"the board refused its lease: state {status[0]}, refusal {status[1]}")

    def forward(self):
        """Takes the first dump that waits, and says that it is stored. Answers its bytes."""
        offer = self.ask(NEXT, OFFER, bytes(8))
        key, length = offer[:8], int.from_bytes(offer[8:12], "little")
        dump = bytearray(length)
        missing = length
        self.send(FETCH, key + struct.pack("<I", 1) + length.to_bytes(3, "little"))
        while missing > 0:
            run = self.wait(DATA)
            offset = int.from_bytes(run[1:4], "little")
            dump[offset:offset + len(run) - 4] = run[4:]
            missing -= len(run) - 4
        done = self.ask(RECEIPT, DONE, key + bytes([STORED]))
        if done != key + b"\0":
            raise LinkFailure(f"the board did not release its dump: {done.hex()}")
        return bytes(dump)
