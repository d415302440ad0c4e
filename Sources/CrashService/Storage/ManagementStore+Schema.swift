// The tables of the management store.

import SQLStorage

extension ManagementStore {
  static let migrations: SQLMigrations = {
    var migrations = SQLMigrations()
    migrations.add("management", makeTables)
    migrations.add("certificates", makeCertificateTable)
    migrations.add("windows", makeWindows)
    migrations.add("images", makeImages)
    migrations.add("access", AccessStore.makeTables)
    migrations.add("fence") { db in
      if db.engine == .postgres { try PostgresFence.makeTable(db) }
    }
    return migrations
  }()

  private static func makeTables(_ db: any SQLConnection) throws {
    try SecretTable.make(db)
    let engine = db.engine
    let text = engine.text
    let integer = engine.integer
    try db.script(
      """
      CREATE TABLE catalogs (
        id \(text) NOT NULL PRIMARY KEY,
        subscription \(text) NOT NULL,
        resourceGroup \(text) NOT NULL,
        name \(text) NOT NULL,
        location \(text) NOT NULL,
        tags \(text) NOT NULL,
        \(Authorship.definition(engine))
      ) \(engine.strict);
      CREATE UNIQUE INDEX catalogsByName
        ON catalogs (lower(subscription), lower(name), lower(resourceGroup));
      CREATE TABLE products (
        id \(text) NOT NULL PRIMARY KEY,
        catalogId \(text) NOT NULL REFERENCES catalogs ON DELETE CASCADE,
        name \(text) NOT NULL,
        description \(text) NOT NULL,
        \(Authorship.definition(engine))
      ) \(engine.strict);
      CREATE UNIQUE INDEX productsByName ON products (catalogId, lower(name));
      CREATE TABLE deviceGroups (
        id \(text) NOT NULL PRIMARY KEY,
        productId \(text) NOT NULL REFERENCES products ON DELETE CASCADE,
        name \(text) NOT NULL,
        description \(text) NOT NULL,
        osFeedType \(text) NOT NULL,
        updatePolicy \(text) NOT NULL,
        allowCrashDumpsCollection \(text) NOT NULL,
        regionalDataBoundary \(text) NOT NULL,
        -- Days.
        retention \(integer) NOT NULL,
        hasDeployment \(integer) NOT NULL,
        \(Authorship.definition(engine))
      ) \(engine.strict);
      CREATE UNIQUE INDEX deviceGroupsByName ON deviceGroups (productId, lower(name));
      CREATE TABLE devices (
        id \(text) NOT NULL PRIMARY KEY,
        deviceGroupId \(text) NOT NULL REFERENCES deviceGroups ON DELETE CASCADE,
        \(Authorship.definition(engine))
      ) \(engine.strict);
      CREATE INDEX devicesByGroup ON devices (deviceGroupId, id);
      -- Device groups whose dumps are kept for less than 29 days. Outlives the group's row as its dumps do.
      CREATE TABLE shorterPeriods (
        deviceGroupId \(text) NOT NULL PRIMARY KEY,
        days \(integer) NOT NULL
      ) \(engine.strict);
      -- Outlives the device's row, so that an epoch never goes back.
      CREATE TABLE consentEpochs (
        device \(text) NOT NULL PRIMARY KEY,
        epoch \(integer) NOT NULL
      ) \(engine.strict);
      CREATE TABLE uncapturedCrashes (
        device \(text) NOT NULL PRIMARY KEY,
        total \(integer) NOT NULL,
        lastNonce \(engine.blob) NOT NULL,
        modifiedAt \(integer) NOT NULL
      ) \(engine.strict);
      CREATE TABLE operations (
        id \(text) NOT NULL PRIMARY KEY,
        createdAt \(integer) NOT NULL
      ) \(engine.strict);
      CREATE INDEX operationsByAge ON operations (createdAt);
      CREATE TABLE catalogKeys (
        id \(text) NOT NULL PRIMARY KEY,
        subscription \(text) NOT NULL,
        resourceGroup \(text) NOT NULL,
        name \(text) NOT NULL
      ) \(engine.strict);
      CREATE UNIQUE INDEX catalogKeysByName
        ON catalogKeys (lower(subscription), lower(resourceGroup), lower(name));
      CREATE TABLE registrations (
        device \(text) NOT NULL PRIMARY KEY,
        publicKey \(engine.blob) NOT NULL,
        catalogKeyId \(text) NOT NULL REFERENCES catalogKeys,
        registeredAt \(integer) NOT NULL
      ) \(engine.strict);
      CREATE TABLE challenges (
        challenge \(engine.blob) NOT NULL PRIMARY KEY,
        catalogKeyId \(text) NOT NULL REFERENCES catalogKeys,
        -- Who answered it.
        device \(text),
        createdAt \(integer) NOT NULL
      ) \(engine.strict);
      CREATE INDEX challengesByAge ON challenges (createdAt);
      """)
  }
}
