// Answers are read off a connection whole, in whatever pieces they come.

import Testing

@testable import martlet_load

@Suite struct LoadAnswerTests {
  private let text =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\nretry-after: 1\r\nConnection: close\r\n\r\nbody"

  @Test func `an answer is whole with its last byte, and not before`() throws {
    let bytes = Array(text.utf8)
    for count in bytes.indices { #expect(LoadAnswer.read(Array(bytes[..<count])) == nil) }
    let (answer, length) = try #require(LoadAnswer.read(bytes + Array("HTTP/1.1 200".utf8)))
    #expect(length == bytes.count)
    #expect(answer.status == 503)
    #expect(answer.header("retry-after") == "1")
    #expect(answer.header("retry") == nil)
    #expect(answer.closes)
    #expect(String(decoding: answer.body, as: UTF8.self) == "body")
  }

  @Test func `an answer without a body is its head`() throws {
    let bytes = Array("HTTP/1.1 204 No Content\r\nServer: x\r\n\r\n".utf8)
    let (answer, length) = try #require(LoadAnswer.read(bytes))
    #expect(answer.status == 204)
    #expect(answer.body.isEmpty)
    #expect(!answer.closes)
    #expect(length == bytes.count)
  }
}
