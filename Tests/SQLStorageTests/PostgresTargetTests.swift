// Connection strings for PostgreSQL's own programs: the same, and nothing secret in sight.

import Testing

@testable import SQLStorage

@Suite struct PostgresTargetTests {
  @Test func `a password goes another way than the rest`() throws {
    for text in [
      "postgresql://me:s3cret%21@db.example:5433/dumps?sslmode=verify-full&options=-csearch_path%3Dx",
      "host=db.example port=5433 user=me password='s3cret!' dbname=dumps sslmode=verify-full "
        + "options=-csearch_path=x",
    ] {
      let target = try PostgresTarget(text)
      #expect(target.secrets == ["PGPASSWORD": "s3cret!"])
      #expect(!target.words.contains("s3cret"))
      for word in [
        "host='db.example'", "port='5433'", "user='me'", "dbname='dumps'", "sslmode='verify-full'",
        "options='-csearch_path=x'",
      ] {
        #expect(target.words.contains(word), "\(target.words)")
      }
      // What comes out is read as what went in.
      #expect(try PostgresTarget(target.words).words == target.words)
    }
  }

  @Test func `quotes and backslashes stay what they are`() throws {
    let target = try PostgresTarget(#"dbname='it\'s \\ odd' user=me"#)
    #expect(target.words == #"user='me' dbname='it\'s \\ odd'"#)
  }

  @Test func `a secret that fits nowhere and what is no connection string are refused`() {
    for text in ["dbname=d sslpassword=s3cret", "dbname", "postgresql://[", "dbname='open"] {
      let failure = #expect(throws: SQLFailure.self) { try PostgresTarget(text) }
      #expect(failure?.message.contains("s3cret") == false)
    }
  }
}
