// Drives many connections from one thread and measures what comes back.

import Foundation

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// What a run of the load showed.
struct LoadResult {
  /// Answers by their status.
  var statuses: [Int: Int] = [:]
  /// From when a request was due to when its answer was whole, nanoseconds, by status.
  var latencies: [Int: [UInt64]] = [:]
  var seconds = 0.0

  var answers: Int { statuses.values.reduce(0, +) }

  func count(_ range: ClosedRange<Int>) -> Int {
    statuses.filter { range.contains($0.key) }.values.reduce(0, +)
  }

  /// Answers of those statuses per second.
  func rate(_ range: ClosedRange<Int> = 200...299) -> Double { Double(count(range)) / seconds }

  /// Milliseconds within which `share` of the answers of those statuses came.
  func milliseconds(_ share: Double, _ range: ClosedRange<Int> = 200...299) -> Double {
    let all = latencies.filter { range.contains($0.key) }.values.flatMap { $0 }.sorted()
    guard !all.isEmpty else { return 0 }
    return Double(all[min(all.count - 1, Int(Double(all.count) * share))]) / 1e6
  }
}

/// Nanoseconds of a clock that only goes forward.
func nanoseconds() -> UInt64 { DispatchTime.now().uptimeNanoseconds }

/// The load: requests in their order, on any connection that is free.
struct LoadDriver {
  var port: Int
  var connections: Int
  /// Requests a second, whether answers come or not; as fast as answers come when `nil`.
  var rate: Double?
  /// No request is sent after that time.
  var seconds: Double

  /// - Parameters:
  ///   - request: the bytes of a request by its number from 0 on; `nil` when there are no more.
  ///   - answered: gets every answer.
  func run(
    _ request: (Int) -> [UInt8]?, answered: (Int, LoadAnswer) -> Void = { _, _ in }
  ) throws(LoadFailure) -> LoadResult {
    var open: [LoadConnection] = []
    for _ in 0..<connections { open.append(try LoadConnection(port: port)) }
    var polled = open.map { pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0) }
    var idle = Array(open.indices)
    var result = LoadResult()
    var next = 0
    var underway = 0
    let start = nanoseconds()
    var isOver = false
    while true {
      let now = nanoseconds()
      if Double(now - start) / 1e9 >= seconds { isOver = true }
      while !isOver, !idle.isEmpty {
        let due = rate.map { start + UInt64(Double(next) / $0 * 1e9) } ?? now
        guard due <= now else { break }
        guard let bytes = request(next) else {
          isOver = true
          break
        }
        let connection = open[idle.removeLast()]
        connection.due = due
        connection.request = next
        try connection.send(bytes)
        next += 1
        underway += 1
      }
      if isOver, underway == 0 { break }
      let wait = rate == nil || isOver ? 1000 : 0
      guard poll(&polled, nfds_t(polled.count), Int32(wait)) >= 0 else { continue }
      for index in polled.indices where polled[index].revents != 0 {
        guard let answer = try open[index].receive(), let number = open[index].request else {
          continue
        }
        result.statuses[answer.status, default: 0] += 1
        result.latencies[answer.status, default: []].append(nanoseconds() - open[index].due)
        answered(number, answer)
        open[index].request = nil
        underway -= 1
        if answer.headers.lowercased().contains("connection: close") {
          open[index] = try LoadConnection(port: port)
          polled[index].fd = open[index].descriptor
        }
        idle.append(index)
      }
    }
    result.seconds = Double(nanoseconds() - start) / 1e9
    return result
  }
}
