package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"

	"github.com/assay-gitops/assay/internal/hub/store/fold"
	"github.com/assay-gitops/assay/internal/weave"
)

// writer is the connection that writes. Whoever has its turn has it alone.
type writer struct {
	db   *sql.DB
	turn chan struct{}
	// closed is when nothing is written any more.
	closed chan struct{}

	// The statements of a batch, prepared once.
	selectViolation, insertViolation, putDocument     *sql.Stmt
	insertHistory, moveMessages, setMessage           *sql.Stmt
	selectText, insertText, insertPolicy, insertTicks *sql.Stmt

	insertHistories, updateSeen several

	// texts are ids of some texts, policies all policies by their hashes.
	texts map[string]int64
	// used are the old texts that were used since a sweep of them began; nil when there is none. Whoever has the turn may use it.
	used map[int64]bool
	// usedPolicies are the policies that were used since a sweep of them began; nil when there is none.
	usedPolicies map[int64]bool
	policies     map[[16]byte]knownPolicy
	byID         map[int64]knownPolicy
}

// knownPolicy is a policy with its number.
type knownPolicy struct {
	id int64
	fold.Facts
}

func known(id int64, p *weave.Policy) knownPolicy { return knownPolicy{id, fold.FactsOf(p)} }

var errClosed = errors.New("the store is closed")

// maxTexts is how many texts are remembered.
const maxTexts = 50_000

func newWriter(ctx context.Context, db *sql.DB, o Options) (*writer, error) {
	if err := migrate(ctx, db, migrations()); err != nil {
		return nil, err
	}
	w := &writer{db: db, turn: make(chan struct{}, 1), closed: make(chan struct{}), texts: map[string]int64{}, policies: map[[16]byte]knownPolicy{}, byID: map[int64]knownPolicy{}}
	for text, statement := range map[string]**sql.Stmt{
		`SELECT ` + violationColumns + ` FROM violations WHERE slot = ?`:                                                                             &w.selectViolation,
		`INSERT OR REPLACE INTO violations (` + violationColumns + `) VALUES (?,?,?,?,?, ?,?,?,?,?, ?,?,?,?,?, ?,?,?,?,?, ?,?,?,?,?, ?,?,?)`:         &w.insertViolation,
		`INSERT OR REPLACE INTO documents (slot, policy, document) VALUES (?,?,?)`:                                                                   &w.putDocument,
		`INSERT OR IGNORE INTO history (slot, id, time, says, resolution, operation, revision, user, pass, message) VALUES (?,?,?,?,?,?,?,?,?,NULL)`: &w.insertHistory,
		`UPDATE history SET message = ? WHERE slot = ? AND message IS NULL AND id <> ?`:                                                              &w.moveMessages,
		`UPDATE history SET message = ? WHERE slot = ? AND id = ?`:                                                                                   &w.setMessage,
		`SELECT id FROM texts WHERE value = ?`:                                                                                                       &w.selectText,
		`INSERT INTO texts (value) VALUES (?)`:                                                                                                       &w.insertText,
		`INSERT INTO policies (hash, definition) VALUES (?,?)`:                                                                                       &w.insertPolicy,
		insertTicks: &w.insertTicks,
	} {
		var err error
		if *statement, err = db.PrepareContext(ctx, text); err != nil {
			return nil, fmt.Errorf("preparing %s: %w", text, err)
		}
	}
	var err error
	if w.insertHistories, err = prepareSeveral(ctx, db,
		`INSERT OR IGNORE INTO history (slot, id, time, says, resolution, operation, revision, user, pass) VALUES %s RETURNING slot, id`, historyColumns); err != nil {
		return nil, err
	}
	if w.updateSeen, err = prepareSeveral(ctx, db, `WITH seen (slot, last, newest, revision, pass, life) AS (VALUES %s)
		UPDATE violations SET last = seen.last, newest = seen.newest, revision = seen.revision, pass = seen.pass, life = seen.life
		FROM seen WHERE violations.slot = seen.slot`, 6); err != nil {
		return nil, err
	}
	return w, nil
}

// take waits for the turn. The context ends waiting; what is written then is not interrupted, as it is short and must be whole.
func (w *writer) take(ctx context.Context) (release func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case w.turn <- struct{}{}:
		return func() { <-w.turn }, nil
	case <-w.closed:
		return nil, errClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// checkpoint writes the log back to the database when it is long. Readers go on meanwhile. Nothing is lost when it fails: it is tried
// again after the next batch.
func (s *Store) checkpoint(ctx context.Context) {
	if info, err := os.Stat(s.path() + "-wal"); err != nil || info.Size() < checkpointBytes {
		return
	}
	if _, err := s.writer.db.ExecContext(ctx, `PRAGMA wal_checkpoint(PASSIVE)`); err != nil {
		s.options.Logger.Warn("the store's log could not be written back; it is tried again", "dir", s.dir, "error", err)
	}
}

func (w *writer) close() error {
	w.turn <- struct{}{} // and kept
	close(w.closed)
	_, err := w.db.Exec(`PRAGMA wal_checkpoint(TRUNCATE)`)
	return errors.Join(err, w.db.Close())
}
