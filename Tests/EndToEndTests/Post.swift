// A dump put to the service by hand, as a bridge that is not ours might.

import AsyncHTTPClient
import Foundation
import MartletBenchKit
import MartletTestKit
import NIOCore
import ServiceAPI

/// What the service answered.
struct PutAnswer: Sendable {
  var status: UInt
  var code: String
  var message: String
}

/// Puts bytes under the key 1-1 of a device. Blocks its thread.
func post(_ bytes: Data, to stand: Stand, device: String) throws -> PutAnswer {
  var request = try HTTPClient.Request(
    url: stand.address + DevicePath.dump(device: device, bootCount: 1, sequence: 1), method: .PUT)
  request.headers.add(name: "Authorization", value: "Bearer \(stand.bridgeToken)")
  request.body = .byteBuffer(ByteBuffer(bytes: bytes))
  let answer = try HTTPClient.shared.execute(request: request, deadline: .now() + .seconds(30))
    .wait()
  let body = answer.body.map { Data($0.readableBytesView) } ?? Data()
  let error = try? ServiceJSON.decoder().decode(ServiceErrorBody.self, from: body).error
  return PutAnswer(
    status: answer.status.code, code: error?.code ?? "", message: error?.message ?? "")
}
