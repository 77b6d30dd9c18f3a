package elastic_test

import (
	"bufio"
	"bytes"
	"context"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/assay-gitops/assay/internal/journal"
	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/internal/sink/elastic"
	"github.com/assay-gitops/assay/internal/sink/sinktest"
)

// The server misbehaves from before the index is there: for longer than what the sink holds, while gates go on.
func TestNothingIsLostWhateverTheServerDoes(t *testing.T) {
	onEach(t, func(t *testing.T, address, _ string) {
		for _, fault := range sinktest.Faults {
			for _, mode := range []elastic.Mode{elastic.Insert, elastic.Upsert} {
				if mode == elastic.Upsert && fault != sinktest.Flapping && fault != sinktest.HalfAnswer {
					continue // they end before there is a difference
				}
				t.Run(string(fault)+"/"+string(mode), func(t *testing.T) {
					index := newIndex()
					m := &sinktest.Misbehaving{Handler: proxy(t, address)}
					server := httptest.NewServer(m)
					defer server.Close()
					j := sinktest.Journal(t, t.TempDir())
					o := options(t, j, newSink(t, elastic.Options{Address: server.URL, Index: index, Mode: mode}))
					if fault == sinktest.Slow {
						o.SendTimeout = 5 * time.Second
					}
					sinktest.Append(t, j, 0, 200)
					m.Set(fault)
					runner, _ := sinktest.Run(t, o)
					sinktest.Wait(t, "two attempts", func() bool { return runner.Status().Attempts >= 2 || m.Hits.Load() >= 4 })
					sinktest.Append(t, j, 200, 400)
					m.Set(sinktest.None)
					sinktest.Wait(t, "the lag to end", func() bool { s := runner.Status(); return s.Lag == 0 && s.Err == nil })
					s := runner.Status()
					if s.Counts[sink.Sent] != 400 || s.Counts[sink.DeadLettered] != 0 {
						t.Errorf("%v", s.Counts)
					}
					if mode == elastic.Insert {
						everyOne(t, address, index, 0, 400)
					} else if n := len(find(t, address, index, "")); n != 400 {
						t.Errorf("%d documents", n) // each result is about another object
					}
					t.Logf("%d requests, %v", m.Hits.Load(), s.Counts)
				})
			}
		}
	})
}

func TestWhatTheServerRefusesIsADeadLetterAndTheRestDelivered(t *testing.T) {
	onEach(t, func(t *testing.T, address, index string) {
		// Somebody else made the index, with a type that one result in a hundred does not fit.
		call(t, "PUT", address+"/"+index, `{"mappings":{"properties":{"entity":{"properties":{"resource_version":{"type":"integer"}}}}}}`, nil)
		j := sinktest.Journal(t, t.TempDir())
		var bad []string
		for i := range 400 {
			r := sinktest.Result(i)
			r.Validation.Entity.ResourceVersion = "1"
			if i%100 == 7 {
				r.Validation.Entity.ResourceVersion = "seven"
				bad = append(bad, r.Validation.ID)
			}
			record, err := r.Record()
			if err == nil {
				err = j.Append(t.Context(), record)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		o := options(t, j, newSink(t, elastic.Options{Address: address, Index: index}))
		runner, _ := sinktest.Run(t, o)
		sinktest.Wait(t, "the lag to end", func() bool { return runner.Status().Lag == 0 })
		everyOne(t, address, index, 0, 400, bad...)
		dead, err := os.ReadFile(o.DeadLetters)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range bad {
			if !bytes.Contains(dead, []byte(`"id":"`+id+`","reason":"the search server at `)) {
				t.Errorf("%s is no dead letter", id)
			}
		}
		if n := bytes.Count(dead, []byte("\n")); n != len(bad) || !bytes.Contains(dead, []byte("resource_version")) {
			t.Errorf("%d dead letters:\n%s", n, dead)
		}
	})
}

// victim names the folder of the journal, the URL and the index of a process that sends, which a test kills.
const victim = "ASSAY_ELASTIC_VICTIM"

// appendAndSend appends results that it says, beginning with the first that the journal does not have, and sends them. It ends
// with a failure only.
func appendAndSend(dir, address, index string) error {
	j, _, err := journal.Open(dir, journal.Options{Sync: journal.SyncNever})
	if err != nil {
		return err
	}
	s, err := elastic.New(elastic.Options{Address: address, Index: index})
	if err != nil {
		return err
	}
	r, err := sink.NewRunner(sink.Options{Name: "elastic", Sink: s, Journal: j, DeadLetters: dir + ".dead", MaxItems: 20, Linger: time.Millisecond, MinBackoff: time.Millisecond})
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	wg.Go(func() { err = r.Run(context.Background()) })
	for i := int(j.Stats().Newest); i < 1000; i++ {
		result := sinktest.Result(i)
		record, err := result.Record()
		if err == nil {
			err = j.Append(context.Background(), record)
		}
		if err != nil {
			return err
		}
		_, _ = os.Stdout.WriteString(strconv.Itoa(i) + "\n")
		for r.Status().Lag > 50 {
			time.Sleep(time.Millisecond)
		}
	}
	wg.Wait()
	return err
}

func TestKill9OfTheSenderLosesNothing(t *testing.T) {
	onEach(t, func(t *testing.T, address, index string) {
		dir := filepath.Join(t.TempDir(), "journal")
		last := -1
		for round := range 4 {
			process := exec.Command(os.Args[0], "-test.run=^$")
			process.Env = append(os.Environ(), victim+"="+dir+" "+address+" "+index)
			out, err := process.StdoutPipe()
			if err == nil {
				err = process.Start()
			}
			if err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(out)
			for n := 0; lines.Scan(); n++ {
				i, err := strconv.Atoi(lines.Text())
				if err != nil {
					t.Error(lines.Text())
				}
				last = max(last, i)
				if n == 100+10*round {
					_ = process.Process.Kill()
				}
			}
			_ = process.Wait()
		}
		j := sinktest.Journal(t, dir)
		// The journal may have one that was not acknowledged any more.
		newest := int(j.Stats().Newest)
		if newest < last+1 || newest > last+2 {
			t.Errorf("%d results were acknowledged, the journal has %d", last+1, newest)
		}
		runner, _ := sinktest.Run(t, options(t, j, newSink(t, elastic.Options{Address: address, Index: index})))
		sinktest.Wait(t, "the lag to end", func() bool { return runner.Status().Lag == 0 })
		everyOne(t, address, index, 0, newest)
	})
}

// BenchmarkDocuments takes results through the journal and the sink into a real server, without a replica.
func BenchmarkDocuments(b *testing.B) {
	_, address, found := strings.Cut(os.Getenv(serversVariable), "=")
	address, _, _ = strings.Cut(address, " ")
	if !found {
		b.Skip("needs a search server: " + serversVariable + " names none")
	}
	j := sinktest.Journal(b, b.TempDir())
	o := options(b, j, newSink(b, elastic.Options{Address: address, Index: newIndex()}))
	o.MaxItems = 500
	sinktest.Append(b, j, 0, b.N)
	b.ResetTimer()
	runner, _ := sinktest.Run(b, o)
	for runner.Status().Lag > 0 {
		time.Sleep(time.Millisecond)
	}
	b.StopTimer()
	if sent := runner.Status().Counts[sink.Sent]; sent != uint64(b.N) {
		b.Errorf("%d of %d were sent", sent, b.N)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "docs/s")
}
