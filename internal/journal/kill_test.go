package journal

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

// victim names the folder that the process under test appends to; set only in a process that a test starts.
const victim = "ASSAY_JOURNAL_VICTIM"

func TestMain(m *testing.M) {
	if dir := os.Getenv(victim); dir != "" {
		appendForEver(dir)
	}
	os.Exit(m.Run())
}

// appendForEver says every ID that Append acknowledged. It is killed.
func appendForEver(dir string) {
	j, _, err := Open(dir, Options{SegmentBytes: 64 << 10, Sync: SyncNever})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	var wg sync.WaitGroup
	for a := range 8 {
		wg.Go(func() {
			for i := 0; ; i++ {
				id := fmt.Sprintf("%d-%d-%d", os.Getpid(), a, i)
				if err := j.Append(context.Background(), Record{ID: id, Payload: hash(i)}); err != nil {
					fmt.Println("error", err)
					os.Exit(1)
				}
				// One write: lines of goroutines do not mix.
				_, _ = os.Stdout.WriteString(id + "\n")
			}
		})
	}
	wg.Wait()
}

func TestEveryAcknowledgedRecordSurvivesKill9(t *testing.T) {
	dir := t.TempDir()
	acknowledged := map[string]bool{}
	for round := range 5 {
		// Not under the race detector's or the coverage's control: the process is this test binary.
		process := exec.Command(os.Args[0], "-test.run=^$")
		process.Env = append(os.Environ(), victim+"="+dir)
		out, err := process.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := process.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			if strings.HasPrefix(lines.Text(), "error") {
				t.Error(lines.Text())
			}
			acknowledged[lines.Text()] = true
			if n == 200+100*round {
				if err := process.Process.Kill(); err != nil { // SIGKILL; what it said before is read on
					t.Fatal(err)
				}
			}
		}
		_ = process.Wait()
	}
	j, recovery, err := Open(dir, Options{SegmentBytes: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if recovery.Records < uint64(len(acknowledged)) {
		t.Errorf("%d records for %d acknowledged ones", recovery.Records, len(acknowledged))
	}
	appendN(t, j, 0, 1)
	ids, lost := drain(t, reader(t, j, "a"), "id-0")
	if lost != 0 {
		t.Errorf("lost %d", lost)
	}
	seen := map[string]bool{}
	for _, id := range ids {
		if seen[id] {
			t.Errorf("%s is there twice", id)
		}
		seen[id] = true
	}
	for id := range acknowledged {
		if !seen[id] {
			t.Errorf("%s was acknowledged and is gone", id)
		}
	}
	t.Logf("%d acknowledged, %d found", len(acknowledged), len(ids))
}
