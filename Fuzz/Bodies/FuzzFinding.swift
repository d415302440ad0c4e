// How a fuzz body says that something is wrong though nothing trapped.

/// A property that must hold did not. Stops the program, which is what a fuzzer takes for a
/// finding.
func require(_ holds: Bool, _ what: @autoclosure () -> String) {
  precondition(holds, what())
}
