// Leaves the processors to those threads that have the work.

import NIOCore
import NIOPosix

/// Keeps the loops that move bytes in and out of connections to one for two processors.
///
/// What requests ask for is done by Swift's own threads, one for each processor. With as many loops beside them
/// (NIO's default) each part of a request wakes another thread up on another processor: on two processors that
/// cost a sixth of the leases. To be called before the first connection is made.
func limitEventLoops() {
  NIOSingletons.groupLoopCountSuggestion = max(1, System.coreCount / 2)
}
