// The tables of one region.

import SQLStorage

extension DumpStore {
  static var migrations: SQLMigrations {
    var migrations = SQLMigrations()
    migrations.add("dumps") { db in
      try SecretTable.make(db)
      try makeDumps(db)
      try makeCounts(db)
      try makeWindows(db)
      try makeImages(db)
      try makeOffers(db)
      try makeAudit(db)
      try db.script(
        """
        CREATE TABLE sealingKeys (
          id \(db.engine.integer) NOT NULL PRIMARY KEY,
          wrapped \(db.engine.blob) NOT NULL
        ) \(db.engine.strict)
        """)
    }
    migrations.add("skips", makeSkips)
    migrations.add("contents as they are") { db in
      // They are encrypted: PostgreSQL would try in vain to compress each.
      guard db.engine == .postgres else { return }
      try db.script("ALTER TABLE contents ALTER COLUMN content SET STORAGE EXTERNAL")
    }
    migrations.add("new skips", makeNewSkips)
    return migrations
  }

  private static func makeDumps(_ db: any SQLConnection) throws {
    let engine = db.engine
    let partitioned: SQLText =
      engine == .postgres ? "PARTITION BY LIST (day)" : engine.strict
    let partitionedByKey: SQLText =
      engine == .postgres ? "PARTITION BY LIST (day)" : engine.strictKeyed
    try db.script(
      """
      -- Across all days, so that a dump is stored once however late it is sent again.
      CREATE TABLE dumpKeys (
        deviceId \(engine.text) NOT NULL,
        bootCount \(engine.integer) NOT NULL,
        sequence \(engine.integer) NOT NULL,
        dumpId \(engine.text) NOT NULL,
        digest \(engine.blob) NOT NULL,
        PRIMARY KEY (deviceId, bootCount, sequence)
      ) \(engine.strictKeyed);
      CREATE TABLE dumps (
        day \(engine.integer) NOT NULL,
        id \(engine.text) NOT NULL,
        deviceId \(engine.text) NOT NULL,
        bootCount \(engine.integer) NOT NULL,
        sequence \(engine.integer) NOT NULL,
        catalogId \(engine.text) NOT NULL,
        productId \(engine.text) NOT NULL,
        groupId \(engine.text) NOT NULL,
        catalog TEXT NOT NULL,
        product TEXT NOT NULL,
        deviceGroup TEXT NOT NULL,
        kind TEXT NOT NULL,
        fingerprint \(engine.text) NOT NULL,
        buildId TEXT NOT NULL,
        imageVersion TEXT NOT NULL,
        uptimeMicroseconds TEXT NOT NULL,
        occurrences \(engine.integer) NOT NULL,
        consentEpoch \(engine.integer) NOT NULL,
        size \(engine.integer) NOT NULL,
        isTruncated \(engine.integer) NOT NULL,
        receivedAt \(engine.integer) NOT NULL,
        signature \(engine.blob) NOT NULL,
        PRIMARY KEY (id, day)
      ) \(partitionedByKey);
      CREATE INDEX dumpsByCatalog ON dumps (catalogId, id);
      CREATE INDEX dumpsByProduct ON dumps (productId, id);
      CREATE INDEX dumpsByGroup ON dumps (groupId, id);
      CREATE TABLE contents (
        day \(engine.integer) NOT NULL,
        dumpId \(engine.text) NOT NULL,
        content \(engine.blob) NOT NULL,
        PRIMARY KEY (dumpId, day)
      ) \(partitioned);
      -- How many there are, so that nobody counts rows.
      CREATE TABLE dumpKinds (
        groupId \(engine.text) NOT NULL,
        fingerprint \(engine.text) NOT NULL,
        day \(engine.integer) NOT NULL,
        catalogId \(engine.text) NOT NULL,
        productId \(engine.text) NOT NULL,
        buildId TEXT NOT NULL,
        number \(engine.integer) NOT NULL,
        PRIMARY KEY (groupId, fingerprint, day)
      ) \(engine.strictKeyed);
      CREATE INDEX dumpKindsByCatalog ON dumpKinds (catalogId, fingerprint)
      """)
    if engine == .postgres {
      try db.script("CREATE INDEX dumpsByDevice ON dumps (deviceId, id)")
    }
  }
}
