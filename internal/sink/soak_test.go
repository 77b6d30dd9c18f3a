package sink_test

import (
	"bytes"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/assay-gitops/assay/internal/journal"
	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/internal/sink/file"
	"github.com/assay-gitops/assay/internal/sink/sinktest"
	"github.com/assay-gitops/assay/internal/sink/webhook"
)

// TestSoak takes as many results as ASSAY_SOAK says through a journal and two sinks (`make soak`): each arrives, and neither
// memory nor disk grow with their number.
func TestSoak(t *testing.T) {
	n, err := strconv.Atoi(os.Getenv("ASSAY_SOAK"))
	if err != nil {
		t.Skip("ASSAY_SOAK says how many results; `make soak` does")
	}
	const ahead, journalBytes, fileBytes, memory = 50_000, 256 << 20, 32 << 20, 256 << 20
	dir := t.TempDir()
	j, _, err := journal.Open(filepath.Join(dir, "journal"), journal.Options{MaxBytes: journalBytes})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()

	var mu sync.Mutex
	arrived := make([]bool, n)
	different, again := 0, 0
	prefix := []byte(sinktest.ID(0)[:24])
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		for {
			_, rest, found := bytes.Cut(body, prefix)
			if !found {
				return
			}
			i, err := strconv.Atoi(string(rest[:12]))
			if err != nil || i >= n {
				t.Errorf("the receiver got the id %s", rest[:12])
				return
			}
			if arrived[i] {
				again++
			} else {
				arrived[i] = true
				different++
			}
			body = rest
		}
	}))
	defer receiver.Close()
	toFile, err := file.New(file.Options{Path: filepath.Join(dir, "results.jsonl"), MaxBytes: fileBytes, Keep: 1})
	if err != nil {
		t.Fatal(err)
	}
	toServer, err := webhook.New(webhook.Options{URL: receiver.URL})
	if err != nil {
		t.Fatal(err)
	}
	var runners []*sink.Runner
	for name, to := range map[string]sink.Sink{"file": toFile, "webhook": toServer} {
		runner, _ := sinktest.Run(t, sink.Options{Name: name, Sink: to, Journal: j, DeadLetters: filepath.Join(dir, name+".refused"), Linger: time.Millisecond})
		runners = append(runners, runner)
	}

	began := time.Now()
	var heap, disk uint64
	look := func() {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		heap, disk = max(heap, m.HeapInuse), max(disk, size(t, dir))
	}
	behind := func(most uint64) bool {
		for _, r := range runners {
			if r.Status().Lag > most {
				return true
			}
		}
		return false
	}
	for i := 0; i < n; i += 100 {
		sinktest.Append(t, j, i, min(i+100, n))
		if i%10_000 == 0 {
			look()
			for behind(ahead) {
				time.Sleep(10 * time.Millisecond)
			}
		}
	}
	for end := time.Now().Add(10 * time.Minute); behind(0); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the sinks are not done 10 minutes after the last result")
		}
	}
	look()
	took := time.Since(began)
	mu.Lock()
	defer mu.Unlock()
	t.Logf("%d results through a journal and two sinks in %s: %.0f/s; heap in use %d MiB, disk %d MiB at most; %d came again",
		n, took.Round(time.Second), float64(n)/took.Seconds(), heap>>20, disk>>20, again)
	if different != n {
		t.Errorf("%d of %d results arrived at the receiver", different, n)
	}
	for _, r := range runners {
		if s := r.Status(); s.Counts[sink.Sent] != uint64(n) || s.Counts[sink.Lost] != 0 || s.Counts[sink.DeadLettered] != 0 {
			t.Errorf("%s: %v", s.Name, s.Counts)
		}
	}
	if heap > memory+uint64(n) || disk > journalBytes+3*fileBytes {
		t.Errorf("heap in use %d, disk %d", heap, disk)
	}
}

// size of all files in a folder.
func size(t *testing.T, dir string) (bytes uint64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return nil // a file that has just been removed
		}
		if info, err := entry.Info(); err == nil {
			bytes += uint64(info.Size())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return bytes
}
