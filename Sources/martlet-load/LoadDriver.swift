// Drives many connections from one thread and measures what comes back.

import Foundation

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// What a run of the load showed.
struct LoadResult: Sendable {
  /// Stands for the status of a request whose connection broke before the answer.
  static let broken = 0

  /// Answers by their status.
  var statuses: [Int: Int] = [:]
  /// From when a request was due to when its answer was whole, nanoseconds, by status.
  var latencies: [Int: [UInt64]] = [:]
  /// The same from when the request began to be sent.
  var answerTimes: [Int: [UInt64]] = [:]
  /// Requests that were sent.
  var sent = 0
  /// How long requests were sent.
  var sendingSeconds = 0.0
  /// Until the last answer came.
  var seconds = 0.0

  var answers: Int { statuses.values.reduce(0, +) }

  func count(_ range: ClosedRange<Int>) -> Int {
    statuses.filter { range.contains($0.key) }.values.reduce(0, +)
  }

  /// Answers of those statuses per second.
  func rate(_ range: ClosedRange<Int> = 200...299) -> Double { Double(count(range)) / seconds }

  /// Requests a second.
  var offered: Double { Double(sent) / sendingSeconds }

  /// Milliseconds within which `share` of the answers of those statuses came, from when they were due.
  func milliseconds(_ share: Double, _ range: ClosedRange<Int> = 200...299) -> Double {
    Self.milliseconds(share, latencies, range)
  }

  /// The same from when the requests were sent: the time that the service took.
  func answerMilliseconds(_ share: Double, _ range: ClosedRange<Int> = 200...299) -> Double {
    Self.milliseconds(share, answerTimes, range)
  }

  private static func milliseconds(
    _ share: Double, _ times: [Int: [UInt64]], _ range: ClosedRange<Int>
  ) -> Double {
    let all = times.filter { range.contains($0.key) }.values.flatMap { $0 }
    return Double(all.quantile(share) ?? 0) / 1e6
  }

  /// - Throws: ``LoadFailure`` when there is an answer of another status.
  func require(_ statuses: Int...) throws(LoadFailure) {
    guard self.statuses.keys.allSatisfy(statuses.contains) else {
      throw LoadFailure(
        "the service answered with other statuses than \(statuses): \(self.statuses)")
    }
  }
}

/// The load: requests in their order, on any connection that is free.
struct LoadDriver: Sendable {
  /// Seconds after which a service that answers nothing is given up.
  static let patience: UInt64 = 30

  var port: Int
  var connections: Int
  /// Requests a second, whether answers come or not; as fast as answers come when `nil`.
  var rate: Double?
  /// No request is sent after that time.
  var seconds: Double
  /// Whether a connection that breaks is counted and made anew, and does not end the run.
  var toleratesBreaks = false

  /// - Parameters:
  ///   - request: the bytes of a request by its number from 0 on; `nil` when there are no more.
  ///   - answered: gets every answer.
  func run(
    _ request: (Int) -> [UInt8]?, answered: (Int, LoadAnswer) -> Void = { _, _ in }
  ) throws(LoadFailure) -> LoadResult {
    var run = try Run(driver: self, open: try connect())
    return try run.finish(request, answered)
  }

  private func connect() throws(LoadFailure) -> [LoadConnection] {
    var open: [LoadConnection] = []
    for _ in 0..<connections { open.append(try LoadConnection(port: port)) }
    return open
  }

  /// A run that is on its way.
  private struct Run {
    let driver: LoadDriver
    var open: [LoadConnection]
    let readiness: ReadyConnections
    var idle: [Int]
    var result = LoadResult()
    var underway = 0
    var isOver = false
    let schedule: LoadSchedule?
    let start: UInt64

    init(driver: LoadDriver, open: [LoadConnection]) throws(LoadFailure) {
      self.driver = driver
      self.open = open
      readiness = try ReadyConnections(most: open.count)
      for (index, connection) in open.enumerated() { try readiness.add(connection, as: index) }
      idle = Array(open.indices)
      start = nanoseconds()
      let start = start
      schedule = driver.rate.map { LoadSchedule(start: start, rate: $0) }
    }

    mutating func finish(
      _ request: (Int) -> [UInt8]?, _ answered: (Int, LoadAnswer) -> Void
    ) throws(LoadFailure) -> LoadResult {
      var last = start
      while true {
        let now = nanoseconds()
        if !isOver, Double(now - start) / 1e9 >= driver.seconds { end(at: now) }
        try send(request, at: now)
        if isOver, underway == 0 { break }
        let ready = waitForInput()
        if !ready.isEmpty {
          try receive(from: ready, answered)
          last = nanoseconds()
        } else if underway > 0, now > last, now - last > LoadDriver.patience * 1_000_000_000 {
          throw LoadFailure("the service answered nothing for \(LoadDriver.patience) s")
        }
      }
      result.seconds = Double(nanoseconds() - start) / 1e9
      return result
    }

    private mutating func end(at now: UInt64) {
      isOver = true
      result.sendingSeconds = Double(now - start) / 1e9
    }

    private mutating func send(_ request: (Int) -> [UInt8]?, at now: UInt64) throws(LoadFailure) {
      while !isOver, let index = idle.last {
        let due = schedule?.due(result.sent) ?? now
        guard due <= now else { return }
        guard let bytes = request(result.sent) else { return end(at: nanoseconds()) }
        let connection = open[index]
        connection.due = due
        connection.began = nanoseconds()
        connection.request = result.sent
        result.sent += 1
        do {
          try connection.send(bytes)
          idle.removeLast()
          underway += 1
        } catch {
          try replace(index, after: error)
        }
        // Answers are read in between, however late the schedule is.
        if schedule != nil, nanoseconds() - now > 1_000_000 { return }
      }
    }

    /// Waits until an answer comes or the next request is due, and no longer than a second.
    /// - Returns: the connections that have something to read.
    private mutating func waitForInput() -> [Int] {
      var most: UInt64 = 1_000_000_000
      if !isOver, !idle.isEmpty {
        most = schedule.map { min(most, $0.wait(for: result.sent, at: nanoseconds())) } ?? 0
      }
      let ready = readiness.wait(milliseconds: Int32(most / 1_000_000))
      if !ready.isEmpty { return ready }
      // The system counts milliseconds here. In between it is asked every 50 microseconds, so that the
      // service has the processor.
      let rest = min(most % 1_000_000, 50_000)
      if rest > 0, most < 1_000_000 { usleep(UInt32(rest / 1_000)) }
      return []
    }

    private mutating func receive(
      from ready: [Int], _ answered: (Int, LoadAnswer) -> Void
    ) throws(LoadFailure) {
      for index in ready {
        let connection = open[index]
        do {
          guard let answer = try connection.receive(), let number = connection.request else {
            continue
          }
          note(answer.status, connection)
          answered(number, answer)
          connection.request = nil
          if answer.closes { try reconnect(index) }
        } catch {
          guard connection.request != nil else {
            // It had nothing to answer: it was idle for long.
            try reconnect(index)
            continue
          }
          try replace(index, after: error)
        }
        underway -= 1
        idle.append(index)
      }
    }

    private mutating func note(_ status: Int, _ connection: LoadConnection) {
      let now = nanoseconds()
      result.statuses[status, default: 0] += 1
      result.latencies[status, default: []].append(now - connection.due)
      result.answerTimes[status, default: []].append(now - connection.began)
    }

    /// Counts a connection that broke and makes another.
    private mutating func replace(_ index: Int, after failure: LoadFailure) throws(LoadFailure) {
      guard driver.toleratesBreaks else { throw failure }
      note(LoadResult.broken, open[index])
      try reconnect(index)
    }

    private mutating func reconnect(_ index: Int) throws(LoadFailure) {
      open[index] = try LoadConnection(port: driver.port)
      try readiness.add(open[index], as: index)
    }
  }
}
