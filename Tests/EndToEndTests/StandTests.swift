// Every test that runs the whole way, one stand after the other.

import Testing

/// A stand takes a processor for its board alone.
@Suite(.serialized) enum StandTests {}
