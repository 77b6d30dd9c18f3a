package sqlite

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/assay-gitops/assay/internal/hub/store"
	"github.com/assay-gitops/assay/internal/hub/store/storetest"
	"github.com/assay-gitops/assay/internal/sink"
)

// victim names the folder that the process under test adds to, round the number of its run; set only in a process that a test starts.
const victim, round = "ASSAY_STORE_VICTIM", "ASSAY_STORE_ROUND"

func TestMain(m *testing.M) {
	if dir := os.Getenv(victim); dir != "" {
		addForEver(dir, os.Getenv(round))
	}
	os.Exit(m.Run())
}

const killBatch = 20

// batchOf a number: results of as many objects, in a namespace of their own.
func batchOf(name string) []*sink.Result {
	var results []*sink.Result
	for i := range killBatch {
		results = append(results, storetest.Result(fmt.Sprint(name, "-", i), storetest.Object("Pod", name, fmt.Sprint(i))))
	}
	return results
}

// addForEver says the name of every batch that Add acknowledged. It is killed.
func addForEver(dir, round string) {
	fail := func(err error) {
		fmt.Println("error", err)
		os.Exit(1)
	}
	s, err := Open(context.Background(), dir, Options{})
	if err != nil {
		fail(err)
	}
	var wg sync.WaitGroup
	for a := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				name := fmt.Sprintf("%s-%d-%d", round, a, i)
				if _, err := s.Add(context.Background(), "one", batchOf(name)); err != nil {
					fail(err)
				}
				// One write: lines of goroutines do not mix.
				_, _ = os.Stdout.WriteString(name + "\n")
				if i%10 == 9 && a == 0 {
					// What is forgotten was resolved: nothing is. It makes the kill meet more.
					if _, err := s.Forget(context.Background(), storetest.Start.Add(-time.Hour)); err != nil {
						fail(err)
					}
				}
			}
		})
	}
	wg.Wait()
}

func TestEveryAcknowledgedResultSurvivesKill9(t *testing.T) {
	dir := t.TempDir()
	acknowledged := map[string]bool{}
	for n := range 5 {
		process := exec.Command(os.Args[0], "-test.run=^$")
		process.Env = append(os.Environ(), victim+"="+dir, round+"="+strconv.Itoa(n))
		out, err := process.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := process.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for i := 0; lines.Scan(); i++ {
			if strings.HasPrefix(lines.Text(), "error") {
				t.Error(lines.Text())
			}
			acknowledged[lines.Text()] = true
			if i == 20+17*n {
				if err := process.Process.Kill(); err != nil { // SIGKILL; what it said before is read on
					t.Fatal(err)
				}
			}
		}
		_ = process.Wait()
	}
	ctx := context.Background()
	s := open(t, dir)
	facets, err := s.Facets(ctx, whenever(), []store.Dimension{store.Namespaces}, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range facets[store.Namespaces] {
		if c.Count != killBatch {
			t.Errorf("%d of the %d results of %s are there", c.Count, killBatch, c.Value)
		}
	}
	found := len(facets[store.Namespaces])
	stats, err := s.Stats(ctx)
	if err != nil || stats.Results != found*killBatch || stats.Violations != found*killBatch {
		t.Errorf("%+v for %d batches, %v", stats, found, err)
	}
	for name := range acknowledged {
		if n, err := s.Add(ctx, "one", batchOf(name)); n != 0 || err != nil {
			t.Errorf("%s was acknowledged and %d of it are gone, %v", name, n, err)
		}
	}
	var check string
	if err := s.readers.QueryRow(`PRAGMA integrity_check`).Scan(&check); err != nil || check != "ok" {
		t.Errorf("%s, %v", check, err)
	}
	days, err := s.Timeline(ctx, everything)
	if err != nil || days[0].Opened != found*killBatch {
		t.Errorf("%+v for %d batches, %v", days[0], found, err)
	}
	t.Logf("%d acknowledged, %d found", len(acknowledged), found)
}

// TestABackupIsWrittenWhileAnotherProcessAdds, and what was acknowledged before is in it. The store starts with it in the place of what it had.
func TestABackupIsWrittenWhileAnotherProcessAdds(t *testing.T) {
	ctx := context.Background()
	dir, backups := t.TempDir(), t.TempDir()
	if _, err := Backup(ctx, dir, filepath.Join(backups, "none")); !errors.Is(err, ErrNoStore) {
		t.Errorf("of an empty folder: %v", err)
	}
	process := exec.Command(os.Args[0], "-test.run=^$")
	process.Env = append(os.Environ(), victim+"="+dir, round+"=0")
	out, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	var acknowledged []string
	before := map[string]int{} // how many were acknowledged by file
	for lines.Scan() && len(before) < 3 {
		if strings.HasPrefix(lines.Text(), "error") {
			t.Fatal(lines.Text())
		}
		acknowledged = append(acknowledged, lines.Text())
		if len(acknowledged)%20 != 0 {
			continue
		}
		path := filepath.Join(backups, strconv.Itoa(len(acknowledged)))
		size, err := Backup(ctx, dir, path)
		if err != nil || size == 0 {
			t.Fatalf("%d bytes, %v", size, err)
		}
		if _, err := Backup(ctx, dir, path); !errors.Is(err, os.ErrExist) {
			t.Errorf("a backup replaces what is there: %v", err)
		}
		before[path] = len(acknowledged)
	}
	if err := process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = process.Wait()
	if left, err := filepath.Glob(filepath.Join(backups, "*.partial")); err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
	for path, n := range before {
		for _, file := range []string{FileName, FileName + "-wal", FileName + "-shm"} {
			if err := os.Remove(filepath.Join(dir, file)); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
		}
		if err := os.Rename(path, filepath.Join(dir, FileName)); err != nil {
			t.Fatal(err)
		}
		s := open(t, dir)
		stats, err := s.Stats(ctx)
		if err != nil || stats.Results%killBatch != 0 || stats.Results < n*killBatch || stats.Violations != stats.Results {
			t.Errorf("%+v with %d acknowledged batches, %v", stats, n, err)
		}
		for _, name := range acknowledged[:n] {
			if added, err := s.Add(ctx, "one", batchOf(name)); added != 0 || err != nil {
				t.Errorf("%s was acknowledged, and %d of it are not in the backup, %v", name, added, err)
			}
		}
		var check string
		if err := s.readers.QueryRow(`PRAGMA integrity_check`).Scan(&check); err != nil || check != "ok" {
			t.Errorf("%s, %v", check, err)
		}
		shut(t, s)
	}
}

// whenever is everything, whenever it was last seen.
func whenever() store.Query { return store.Query{Scope: store.Scope{All: true}} }
