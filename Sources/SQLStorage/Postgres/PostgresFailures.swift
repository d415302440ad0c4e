// What libpq reports as failures of the SQL layer.

import CLibPQ

extension SQLFailure {
  /// - Parameters:
  ///   - state: the SQLSTATE, five characters; `nil` when the server did not say one.
  ///   - message: the primary message, without details.
  init(state: String?, message: String) {
    guard let state else {
      self.init(code: .unavailable, message: message)
      return
    }
    // Messages of this class quote the value.
    let isQuoting = state.hasPrefix("22")
    self.init(
      code: Self.code(state: state),
      message: isQuoting ? "a value was refused (\(state))" : "\(message) (\(state))")
  }

  /// PostgreSQL's manual, appendix A.
  static func code(state: String) -> Code {
    switch state {
    case "53100", "58030": return .storageFull
    // A statement or a lock took too long.
    case "57014", "55P03": return .busy
    case "22021": return .unstorableText
    // The server is a standby, or was made read-only because it has no space.
    case "25006": return .unavailable
    // An idle transaction or session was ended.
    case "25P03", "57P05": return .unavailable
    default: break
    }
    switch state.prefix(2) {
    case "08", "53", "57", "58": return .unavailable
    case "40": return .conflict
    case "23": return .constraint
    case "22": return .unexpectedValue
    case "XX", "F0": return .damaged
    default: return .refused
    }
  }
}

/// What the server answered to one request; freed with the object.
final class PostgresResult {
  let pointer: OpaquePointer

  init(_ pointer: OpaquePointer) { self.pointer = pointer }

  deinit { PQclear(pointer) }

  var status: ExecStatusType { PQresultStatus(pointer) }

  /// Such as `COMMIT` or `INSERT 0 1`.
  var command: String { String(cString: PQcmdStatus(pointer)) }

  /// How many rows the statement changed or answered.
  var changedRows: Int { Int(String(cString: PQcmdTuples(pointer))) ?? 0 }

  var state: String? { field(Int32(UInt8(ascii: "C"))) }

  /// What went wrong; `nil` when nothing did.
  var failure: SQLFailure? {
    switch status {
    case PGRES_FATAL_ERROR, PGRES_BAD_RESPONSE, PGRES_NONFATAL_ERROR:
      SQLFailure(
        state: state,
        message: field(Int32(UInt8(ascii: "M"))) ?? "the connection to the server broke")
    case PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH:
      SQLFailure(code: .refused, message: "COPY is not for this layer")
    default: nil
    }
  }

  /// A field of an error: `PG_DIAG_SQLSTATE` is 'C', `PG_DIAG_MESSAGE_PRIMARY` is 'M'.
  private func field(_ code: Int32) -> String? {
    PQresultErrorField(pointer, code).map { String(cString: $0) }
  }
}
