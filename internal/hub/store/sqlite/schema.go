package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// applicationID marks a database as the store of a hub: "Assy".
const applicationID = 0x41737379

// migration brings a database from the version before to the next.
type migration func(ctx context.Context, tx *sql.Tx) error

// migrations in their order; the version of a database is how many it has had. What was released is never changed.
func migrations() []migration {
	return []migration{statements(tables), addTicks, statements(records), statements(contents), statements(users)}
}

func statements(text string) migration {
	return func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, text)
		return err
	}
}

// Times are nanoseconds since 1970. Violations are known by their slot in package columns.
const tables = `
CREATE TABLE clusters (
	name  TEXT PRIMARY KEY,
	first INTEGER NOT NULL,
	last  INTEGER NOT NULL,
	skew  INTEGER NOT NULL
) WITHOUT ROWID;

-- Texts that history has again and again. The empty text is 0 and not here.
CREATE TABLE texts (
	id    INTEGER PRIMARY KEY,
	value TEXT NOT NULL UNIQUE
);

-- Policies as they are in results, with the values of parameters; apart, because they are most of a document.
CREATE TABLE policies (
	id         INTEGER PRIMARY KEY,
	hash       BLOB NOT NULL UNIQUE,
	definition BLOB NOT NULL
);

-- What the key is of is in columns: it has no index, as the one in memory is always asked.
CREATE TABLE violations (
	slot       INTEGER PRIMARY KEY,
	key        BLOB NOT NULL,
	cluster    TEXT NOT NULL,
	gate       TEXT NOT NULL,
	api        TEXT NOT NULL,
	kind       TEXT NOT NULL,
	namespace  TEXT NOT NULL,
	name       TEXT NOT NULL,
	workspace  TEXT NOT NULL,
	app        TEXT NOT NULL, -- Kind/namespace/name
	revision   TEXT NOT NULL,
	policy     INTEGER NOT NULL REFERENCES policies,
	message    TEXT NOT NULL,
	status     INTEGER NOT NULL, -- 0 open, 1 resolved, 2 excepted
	resolution TEXT NOT NULL,
	said       INTEGER NOT NULL, -- the status by results of its own gate
	said_why   TEXT NOT NULL,
	closed     INTEGER NOT NULL, -- when audit last said that it is resolved; 0 never
	closed_why TEXT NOT NULL,
	enforced   INTEGER NOT NULL,
	hidden     INTEGER NOT NULL, -- only ever compliant
	first      INTEGER NOT NULL,
	last       INTEGER NOT NULL,
	newest     TEXT NOT NULL,    -- ID of the newest result
	results    INTEGER NOT NULL
);

CREATE TABLE documents (
	slot     INTEGER PRIMARY KEY,
	policy   INTEGER NOT NULL REFERENCES policies,
	document BLOB NOT NULL
);

-- The ID of a result is 16 bytes when it is a UUID, its text otherwise. Results of a violation are beside each other, and nothing else has to
-- be found: one tree instead of three.
CREATE TABLE history (
	slot       INTEGER NOT NULL,
	id         BLOB NOT NULL,
	time       INTEGER NOT NULL,
	says       INTEGER NOT NULL, -- see says.go
	resolution INTEGER NOT NULL,
	operation  INTEGER NOT NULL,
	revision   INTEGER NOT NULL,
	pass       INTEGER NOT NULL,
	message    INTEGER,          -- NULL: the one that the violation has now
	PRIMARY KEY (slot, id)
) WITHOUT ROWID;

CREATE TABLE totals (
	results INTEGER NOT NULL
);
INSERT INTO totals VALUES (0);
`

// records are what a cluster was judged by and which audits there were. A version that has not ended has 0 there.
const records = `
CREATE TABLE versions (
	id      TEXT PRIMARY KEY,
	cluster TEXT NOT NULL,
	kind    TEXT NOT NULL,
	name    TEXT NOT NULL,
	version TEXT NOT NULL,
	began   INTEGER NOT NULL,
	ended   INTEGER NOT NULL,
	hash    BLOB NOT NULL, -- of the object, so that one that says the same is not written again
	object  BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX versions_of_clusters ON versions (cluster, ended, kind, name);
CREATE INDEX versions_by_time ON versions (began, id);

-- When clusters declared something last, and first.
CREATE TABLE declarations (
	cluster TEXT PRIMARY KEY,
	first   INTEGER NOT NULL,
	last    INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE passes (
	cluster  TEXT NOT NULL,
	id       TEXT NOT NULL,
	why      TEXT NOT NULL, -- the trigger
	request  TEXT NOT NULL,
	began    INTEGER NOT NULL,
	ended    INTEGER NOT NULL,
	failures INTEGER NOT NULL,
	detail   BLOB NOT NULL,
	PRIMARY KEY (cluster, id)
) WITHOUT ROWID;
CREATE INDEX passes_by_time ON passes (began);
`

// contents is for documents that are not written again while they say the same (fold.Content). NULL is of a document that is whole, as all were
// before.
const contents = `
ALTER TABLE violations ADD COLUMN content BLOB;
-- Of the newest result; the pass in texts.
ALTER TABLE violations ADD COLUMN pass INTEGER NOT NULL DEFAULT 0;
ALTER TABLE violations ADD COLUMN life INTEGER NOT NULL DEFAULT 0;
`

// users are who sent requests to admission, in texts.
const users = `ALTER TABLE history ADD COLUMN user INTEGER NOT NULL DEFAULT 0`

// addTicks makes the table of what results count as by day, as package columns has it: many in a row, so that it is read quickly.
func addTicks(ctx context.Context, tx *sql.Tx) error {
	if _, err := tx.ExecContext(ctx, `CREATE TABLE ticks (id INTEGER PRIMARY KEY, day INTEGER NOT NULL, entries BLOB NOT NULL)`); err != nil {
		return err
	}
	rows, err := tx.QueryContext(ctx, `SELECT slot, time, says FROM history`)
	if err != nil {
		return err
	}
	ticks := ticks{}
	for rows.Next() {
		var slot uint32
		var at, said int64
		if err := rows.Scan(&slot, &at, &said); err != nil {
			return errors.Join(err, rows.Close())
		}
		ticks.add(slot, at, says(said).tick())
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for day, entries := range ticks {
		if _, err := tx.ExecContext(ctx, insertTicks, day, encodeEntries(entries)); err != nil {
			return err
		}
	}
	return nil
}

const insertTicks = `INSERT INTO ticks (day, entries) VALUES (?, ?)`

// migrate brings the database to the newest version, each step whole or not at all.
func migrate(ctx context.Context, db *sql.DB, steps []migration) error {
	version, err := versionOf(ctx, db)
	if err != nil {
		return err
	}
	if version > len(steps) {
		return fmt.Errorf("the database is of version %d, this version of Assay knows 1 to %d: it was written by a newer one", version, len(steps))
	}
	for ; version < len(steps); version++ {
		if err := step(ctx, db, version, steps[version]); err != nil {
			return fmt.Errorf("bringing the database from version %d to %d: %w", version, version+1, err)
		}
	}
	return nil
}

// versionOf a database; 0 is one with nothing in it.
func versionOf(ctx context.Context, db *sql.DB) (int, error) {
	var id, objects, version int
	if err := db.QueryRowContext(ctx, `PRAGMA application_id`).Scan(&id); err != nil {
		return 0, fmt.Errorf("reading the version of the database: %w", err)
	}
	if err := db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema`).Scan(&objects); err != nil {
		return 0, fmt.Errorf("reading the version of the database: %w", err)
	}
	if id == 0 && objects == 0 {
		return 0, nil
	}
	if id != applicationID {
		return 0, fmt.Errorf("%w: its application id is %d", ErrDamaged, id)
	}
	if err := db.QueryRowContext(ctx, `SELECT version FROM version`).Scan(&version); err != nil || version < 1 {
		return 0, errors.Join(fmt.Errorf("%w: it has no version", ErrDamaged), err)
	}
	return version, nil
}

func step(ctx context.Context, db *sql.DB, version int, m migration) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	if version == 0 {
		if _, err := tx.ExecContext(ctx, fmt.Sprintf(`PRAGMA application_id = %d; CREATE TABLE version (version INTEGER NOT NULL); INSERT INTO version VALUES (0)`, applicationID)); err != nil {
			return err
		}
	}
	if err := m(ctx, tx); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `UPDATE version SET version = ?`, version+1); err != nil {
		return err
	}
	return tx.Commit()
}
