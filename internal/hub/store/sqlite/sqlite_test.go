package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/assay-gitops/assay/internal/hub/store"
	"github.com/assay-gitops/assay/internal/hub/store/storetest"
	"github.com/assay-gitops/assay/internal/sink"
)

func open(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(context.Background(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(t, s) })
	return s
}

func shut(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func add(t testing.TB, s *Store, cluster string, results ...*sink.Result) {
	t.Helper()
	if n, err := s.Add(context.Background(), cluster, results); err != nil || n != len(results) {
		t.Fatalf("added %d of %d: %v", n, len(results), err)
	}
}

func TestStore(t *testing.T) {
	storetest.Test(t, func(t *testing.T) store.Store { return open(t, t.TempDir()) }, storetest.Without{})
}

// some results of several violations, days and lives.
func some(n int) []*sink.Result {
	var results []*sink.Result
	for i := range n {
		change := storetest.Life(sink.Opened, "")
		switch i % 5 {
		case 1:
			change = storetest.Life(sink.Unchanged, "")
		case 2:
			change = storetest.Life(sink.Resolved, "object fixed")
		case 3:
			change = storetest.Admission(i%2 == 0)
		}
		results = append(results, storetest.Result(fmt.Sprintf("%08d-0000-4000-8000-000000000000", i),
			storetest.Object("Pod", fmt.Sprint("ns-", i%3), fmt.Sprint("web-", i%37)), change, storetest.After(time.Duration(i)*time.Hour)))
	}
	return results
}

var everything = store.Query{Scope: store.Scope{All: true}, From: storetest.Start, To: storetest.Start.AddDate(0, 1, 0)}

// answers are all that a store says.
func answers(t testing.TB, s *Store) []any {
	t.Helper()
	ctx := context.Background()
	q := everything
	q.To = time.Time{}
	page, err := s.Violations(ctx, q, store.Page{Order: store.ByObject, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	all := []any{page}
	for _, v := range page.Items {
		full, err := s.Violation(ctx, q.Scope, v.ID)
		if err != nil {
			t.Fatal(err)
		}
		events, err := s.History(ctx, q.Scope, v.ID, 1000)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, full, events)
	}
	days, err := s.Timeline(ctx, everything)
	if err != nil {
		t.Fatal(err)
	}
	facets, err := s.Facets(ctx, q, []store.Dimension{store.Namespaces, store.Statuses, store.Standards}, 10)
	if err != nil {
		t.Fatal(err)
	}
	clusters, err := s.Clusters(ctx)
	if err != nil {
		t.Fatal(err)
	}
	stats, err := s.Stats(ctx)
	if err != nil {
		t.Fatal(err)
	}
	stats.Bytes = 0
	return append(all, days, facets, clusters, stats)
}

func TestAStoreThatIsOpenedAgainAnswersAsBefore(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	add(t, s, "one", some(400)...)
	if _, err := s.Forget(context.Background(), storetest.Start.Add(150*time.Hour)); err != nil {
		t.Fatal(err)
	}
	add(t, s, "two", some(100)...)
	want := answers(t, s)
	shut(t, s)
	again := open(t, dir)
	if diff := cmp.Diff(want, answers(t, again)); diff != "" {
		t.Error(diff)
	}
	// Slots that are free are the same as well.
	add(t, again, "three", some(400)...)
	want = answers(t, again)
	shut(t, again)
	if diff := cmp.Diff(want, answers(t, open(t, dir))); diff != "" {
		t.Error(diff)
	}
}

// TestADocumentIsTheNewestResult, whichever parts of it are new, and whether the store was opened in between.
func TestADocumentIsTheNewestResult(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	s := open(t, dir)
	whole := storetest.Result("0")
	other := func(r *sink.Result) {
		r.Validation.Entity.Manifest = map[string]any{"spec": map[string]any{"replicas": json.Number("2")}}
	}
	n := 0
	for name, batch := range map[string][]func(*sink.Result){
		"nothing":  {func(*sink.Result) {}},
		"the life": {storetest.Life(sink.Unchanged, "")},
		"pass, revision, policy": {func(r *sink.Result) {
			r.Pass, r.App.Revision, r.Validation.Policy.Code = "pass-7", "main@sha1:7", "package new"
		}},
		"no application":               {func(r *sink.Result) { r.App = nil }},
		"the manifest":                 {other},
		"the manifest, there and back": {other, storetest.Life(sink.Unchanged, ""), other, storetest.Life(sink.Resolved, "object fixed"), func(*sink.Result) {}},
		"occurrences":                  {func(r *sink.Result) { r.Validation.Occurrences = nil }},
		"resolved":                     {storetest.Life(sink.Resolved, "object deleted")},
		"an exception":                 {storetest.Accepted("known")},
	} {
		// Each after what all began with, and twice.
		for range 2 {
			var results []*sink.Result
			var newest *sink.Result
			for _, change := range append([]func(*sink.Result){func(*sink.Result) {}}, batch...) {
				n++
				newest = storetest.Result(fmt.Sprint(n), storetest.After(time.Duration(n)*time.Second), change)
				results = append(results, newest)
			}
			add(t, s, "one", results[:1]...)
			add(t, s, "one", results[1:]...)
			if n%2 == 0 {
				shut(t, s)
				s = open(t, dir)
			}
			got, err := s.Violation(ctx, everything.Scope, store.ID("one", whole.Gate, whole.Validation.Policy.ID, &whole.Validation.Entity))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(newest, got.Document); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
	}
}

func TestABackupOpensAsAStore(t *testing.T) {
	ctx := context.Background()
	s := open(t, t.TempDir())
	add(t, s, "one", some(300)...)
	dir := t.TempDir()
	if err := s.Backup(ctx, filepath.Join(dir, FileName)); err != nil {
		t.Fatal(err)
	}
	want := answers(t, s)
	add(t, s, "two", some(10)...)
	if diff := cmp.Diff(want, answers(t, open(t, dir))); diff != "" {
		t.Error(diff)
	}
	if info, err := os.Stat(filepath.Join(dir, FileName)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if err := s.Backup(ended, filepath.Join(t.TempDir(), "b")); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that ended: %v", err)
	}
}

func TestAFolderHasOneStoreAtATime(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if _, err := Open(context.Background(), dir, Options{}); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), dir) {
		t.Errorf("the second: %v", err)
	}
	add(t, s, "one", some(1)...)
	shut(t, s)
	open(t, dir)
}

func TestAStoreThatIsClosedSaysSo(t *testing.T) {
	ctx := context.Background()
	s := open(t, t.TempDir())
	shut(t, s)
	if _, err := s.Add(ctx, "one", some(1)); err == nil {
		t.Error("added")
	}
	if _, err := s.Forget(ctx, storetest.Start); err == nil {
		t.Error("forgot")
	}
	if _, err := s.Clusters(ctx); err == nil {
		t.Error("listed")
	}
	if err := s.Backup(ctx, filepath.Join(t.TempDir(), "b")); err == nil {
		t.Error("backed up")
	}
	shut(t, s)
}

// older are results as they were kept before users were.
func older() []*sink.Result {
	all := some(200)
	for _, r := range all {
		r.User = ""
	}
	return all
}

// oldest makes a database of version 1 in a folder, as the first store did.
func oldest(t *testing.T, dir string) {
	t.Helper()
	ctx := context.Background()
	s := open(t, dir)
	add(t, s, "one", older()...)
	// Documents were whole.
	list, err := s.Violations(ctx, whenever(), store.Page{Order: store.ByObject, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range list.Items {
		full, err := s.Violation(ctx, everything.Scope, v.ID)
		if err != nil {
			t.Fatal(err)
		}
		key, _ := store.ParseKey(v.ID)
		slot, _ := s.index.Slot(key)
		document, err := s.read.Codec.Document(full.Document)
		if err == nil {
			_, err = s.writer.db.ExecContext(ctx, `UPDATE documents SET document = ? WHERE slot = ?`, document, slot)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, undo := range []string{
		`ALTER TABLE history DROP COLUMN user`, `ALTER TABLE violations DROP COLUMN content`, `ALTER TABLE violations DROP COLUMN pass`, `ALTER TABLE violations DROP COLUMN life`,
		`DROP TABLE ticks`, `DROP TABLE versions`, `DROP TABLE declarations`, `DROP TABLE passes`, `UPDATE version SET version = 1`,
	} {
		if _, err := s.writer.db.ExecContext(ctx, undo); err != nil {
			t.Fatal(err)
		}
	}
	shut(t, s)
}

func TestADatabaseOfVersion1OpensUnderTheNewest(t *testing.T) {
	dir, fresh := t.TempDir(), open(t, t.TempDir())
	oldest(t, dir)
	fixed := time.Unix(1_800_000_000, 0)
	s := open(t, dir)
	fresh.options.Now, s.options.Now = func() time.Time { return fixed }, func() time.Time { return fixed }
	add(t, fresh, "one", older()...)
	if _, err := s.writer.db.Exec(`DELETE FROM clusters`); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Add(context.Background(), "one", older()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(answers(t, fresh), answers(t, s)); diff != "" {
		t.Error(diff)
	}
	var version int
	if err := s.readers.QueryRow(`SELECT version FROM version`).Scan(&version); err != nil || version != len(migrations()) {
		t.Errorf("version %d, %v", version, err)
	}
}

func TestAMigrationThatFailsChangesNothing(t *testing.T) {
	dir := t.TempDir()
	oldest(t, dir)
	db, err := connect(filepath.Join(dir, FileName), 1, 100)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	steps := []migration{statements(tables), statements(`CREATE TABLE ticks (id); INSERT INTO nowhere VALUES (1)`)}
	if err := migrate(context.Background(), db, steps); err == nil || !strings.Contains(err.Error(), "from version 1 to 2") {
		t.Fatalf("%v", err)
	}
	if version, err := versionOf(context.Background(), db); err != nil || version != 1 {
		t.Errorf("version %d, %v", version, err)
	}
	if err := migrate(context.Background(), db, migrations()); err != nil {
		t.Error(err)
	}
}

func TestADatabaseThatCannotBeReadIsAnError(t *testing.T) {
	change := func(statement string) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			db, err := sql.Open("sqlite", path)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if _, err := db.Exec(statement); err != nil {
				t.Fatal(err)
			}
		}
	}
	write := func(change func([]byte) []byte) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			content, err := os.ReadFile(path)
			if err == nil {
				err = os.WriteFile(path, change(content), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, test := range map[string]struct {
		harm    func(t *testing.T, path string)
		damaged bool
		says    string
	}{
		"of a newer version":       {change(`UPDATE version SET version = 99`), false, "version 99"},
		"without a version":        {change(`DROP TABLE version`), true, "no version"},
		"of another application":   {change(`PRAGMA application_id = 7`), true, "application id is 7"},
		"no database":              {write(func([]byte) []byte { return bytes.Repeat([]byte("not a database\n"), 1000) }), true, "not a database"},
		"cut off":                  {write(func(b []byte) []byte { return b[:len(b)/2/4096*4096] }), true, "malformed"},
		"with pages of noise":      {write(func(b []byte) []byte { return append(b[:4096], bytes.Repeat([]byte{0xa5}, len(b)-4096)...) }), true, "malformed"},
		"with a policy that fails": {change(`UPDATE policies SET definition = x'00'`), true, "policies"},
		"with no policies":         {change(`DELETE FROM policies`), true, "policy that is not there"},
		"with one twice":           {change(`INSERT INTO violations SELECT slot + 100000, key, cluster, gate, api, kind, namespace, name, workspace, app, revision, policy, message, status, resolution, said, said_why, closed, closed_why, enforced, hidden, first, last, newest, results, content, pass, life FROM violations LIMIT 1`), true, "twice"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir)
			add(t, s, "one", some(400)...)
			shut(t, s)
			test.harm(t, filepath.Join(dir, FileName))
			_, err := Open(context.Background(), dir, Options{})
			if err == nil || errors.Is(err, ErrDamaged) != test.damaged || !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), dir) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestFilesAreForNobodyElse(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	add(t, s, "one", some(1)...)
	for _, name := range []string{FileName, FileName + "-wal", FileName + "-shm"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}

func TestQueriesUseTheTrees(t *testing.T) {
	s := open(t, t.TempDir())
	for _, query := range []string{
		`SELECT ` + violationColumns + ` FROM violations WHERE slot IN (1,2,3)`,
		strings.NewReplacer("id = ?", "id = 1", "slot = ?", "slot = 1").Replace(selectDocument),
		strings.NewReplacer("slot = ?", "slot = 1", "LIMIT ?", "LIMIT 10").Replace(selectHistory),
		strings.Replace(fmt.Sprintf(selectHistories, "1,2"), "?", "10", 1),
		`UPDATE history SET message = 1 WHERE slot = 1 AND message IS NULL AND id <> 2`,
		`DELETE FROM history WHERE slot BETWEEN 1 AND 2000 AND time < 3`,
		`SELECT slot FROM violations WHERE slot BETWEEN 1 AND 2 AND status <> 0 AND last < 3`,
		`SELECT id FROM texts WHERE value = 'x'`,
	} {
		rows, err := s.readers.Query(`EXPLAIN QUERY PLAN ` + query)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var id, parent, unused int
			var detail string
			if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
				t.Fatal(err)
			}
			// What was chosen of the history is looked at whole.
			if strings.HasPrefix(detail, "SCAN") && detail != "SCAN h" && !strings.HasPrefix(detail, "SCAN (subquery") {
				t.Errorf("%s\n\t%s", query, detail)
			}
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			t.Fatal(err)
		}
	}
}
