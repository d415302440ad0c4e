// What is under way while the board's dumps are taken, one lane beside the other.

import DumpFormat
import LinkProtocol

/// A dump that the board offered.
struct Offered: Equatable {
  var identity: DumpIdentity
  var prologue: [UInt8]
  var totalLength: Int
}

/// A walk through the board's dumps in the order of their keys: one is fetched, the next one is asked
/// for meanwhile, and those that are whole are stored and acknowledged beside both.
struct DumpPass {
  /// Dumps that are stored or acknowledged at one time: a slow disk stops the fetching, not the
  /// memory of the bridge.
  static let mostSettling = 4

  /// The dump behind the one that is fetched.
  enum Lookahead: Equatable {
    /// NONE came, or nothing is to be asked for any more.
    case ended
    /// NEXT for the dump behind this one is to go out when the board listens: once DATA comes, or when
    /// nothing else is under way. A UART holds 16 bytes; what comes right behind a request that keeps
    /// the board busy is lost.
    case due(DumpKey)
    /// NEXT is out.
    case asking
    /// The bridge looks the offered dump up in its spool.
    case judging(Offered)
    /// It will be fetched when its turn comes.
    case wanted(Offered)
    /// It gets this receipt, unfetched, when there is room.
    case known(Offered, ReceiptVerdict)
  }

  /// A dump whose fetching is over.
  struct Settlement {
    enum State {
      /// The bridge stores it.
      case storing
      /// RECEIPT is out; how often the board could not write down what it asks.
      case receipting(ReceiptVerdict, failures: Int)
    }

    var identity: DumpIdentity
    var state: State
  }

  var next = Lookahead.ended
  var fetching: Offered?
  var settling: [Settlement] = []
  /// Dumps that the spool holds and the board has released.
  var stored: [DumpIdentity] = []

  var isReceipting: Bool {
    settling.contains {
      if case .receipting = $0.state { true } else { false }
    }
  }
  var mayFetch: Bool { fetching == nil && settling.count < Self.mostSettling }
  /// Nothing is asked for or fetched any more; receipts may still be out.
  var isFetched: Bool { next == .ended && fetching == nil }
}
