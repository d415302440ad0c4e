// Every test that runs the firmware in QEMU, one after the other.

import Testing

/// An emulated board takes a whole processor: two at a time would only wait for each other.
@Suite(.serialized) enum BoardTests {}
