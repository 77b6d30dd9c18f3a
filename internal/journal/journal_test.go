package journal

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func open(t testing.TB, dir string, o Options) *Journal {
	t.Helper()
	j, _, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j
}

func reader(t testing.TB, j *Journal, name string) *Reader {
	t.Helper()
	r, err := j.Reader(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func record(i int) Record {
	return Record{ID: fmt.Sprint("id-", i), Time: time.Unix(int64(i), 5).UTC(), Payload: fmt.Appendf(nil, `{"n":%d,"text":"%x"}`, i, i*7919)}
}

func appendN(t testing.TB, j *Journal, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		if err := j.Append(context.Background(), record(i)); err != nil {
			t.Fatal(err)
		}
	}
}

// drain reads until it has seen the record of an ID, and returns all IDs and how many were lost.
func drain(t testing.TB, r *Reader, until string) (ids []string, lost uint64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		b, err := r.Next(ctx, 100, 1<<20)
		if err != nil {
			t.Fatalf("waiting for %s after %d records: %v", until, len(ids), err)
		}
		lost += b.Lost
		for _, record := range b.Records {
			ids = append(ids, record.ID)
		}
		if err := r.Commit(b); err != nil {
			t.Fatal(err)
		}
		if n := len(ids); n > 0 && ids[n-1] == until {
			return ids, lost
		}
	}
}

func wantIDs(t testing.TB, got []string, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		if k := i - from; k >= len(got) || got[k] != record(i).ID {
			t.Fatalf("got %d records %.10q…, want id-%d to id-%d, each once and in order", len(got), got, from, to-1)
		}
	}
	if len(got) != to-from {
		t.Fatalf("got %d records, want %d", len(got), to-from)
	}
}

func TestWhatWasAppendedIsReadAsItWas(t *testing.T) {
	j := open(t, t.TempDir(), Options{})
	large := Record{ID: strings.Repeat("x", 256), Time: time.Now().UTC(), Payload: []byte(strings.Repeat("0123456789", 300_000))}
	want := []Record{record(1), {ID: "empty", Time: time.Unix(0, 0).UTC()}, large, record(2)}
	if err := j.Append(context.Background(), want...); err != nil {
		t.Fatal(err)
	}
	b, err := reader(t, j, "a").Next(context.Background(), 10, 100<<20)
	if err != nil || len(b.Records) != len(want) || b.Lost != 0 {
		t.Fatal(len(b.Records), b.Lost, err)
	}
	for i, got := range b.Records {
		if got.ID != want[i].ID || !got.Time.Equal(want[i].Time) || string(got.Payload) != string(want[i].Payload) {
			t.Errorf("record %d is %s of %s with %d bytes, want %s of %s with %d", i, got.ID, got.Time, len(got.Payload), want[i].ID, want[i].Time, len(want[i].Payload))
		}
	}
}

func TestBatchesKeepTheirLimits(t *testing.T) {
	j := open(t, t.TempDir(), Options{})
	appendN(t, j, 0, 10)
	r := reader(t, j, "a")
	for _, test := range []struct{ records, bytes, want int }{
		{3, 1 << 20, 3},
		{100, 1, 1},
		{100, 2 * len(record(5).Payload), 2},
		{100, 1 << 20, 4},
	} {
		b, err := r.Next(context.Background(), test.records, test.bytes)
		if err != nil || len(b.Records) != test.want {
			t.Errorf("Next(%d, %d) gave %d records and %v, want %d", test.records, test.bytes, len(b.Records), err, test.want)
		}
	}
}

func TestReadersGoOnWhereTheyCommitted(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{SegmentBytes: 32 << 10})
	r := reader(t, j, "a")
	appendN(t, j, 0, 3000)
	b, err := r.Next(context.Background(), 1000, 1<<20)
	if err != nil || r.Commit(b) != nil {
		t.Fatal(err)
	}
	if b, err = r.Next(context.Background(), 500, 1<<20); err != nil || b.Records[0].ID != "id-1000" {
		t.Fatal(b.Records[0].ID, err) // and never committed
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}

	j = open(t, dir, Options{SegmentBytes: 32 << 10})
	appendN(t, j, 3000, 3100)
	ids, lost := drain(t, reader(t, j, "a"), "id-3099")
	wantIDs(t, ids, 1000, 3100)
	if lost != 0 {
		t.Errorf("lost %d", lost)
	}
	if lag := j.Stats().Readers["a"].Lag; lag != 0 {
		t.Errorf("lag %d", lag)
	}
}

func TestNextWaits(t *testing.T) {
	j := open(t, t.TempDir(), Options{})
	r := reader(t, j, "a")
	got := make(chan string)
	go func() {
		b, err := r.Next(context.Background(), 1, 1)
		if err != nil {
			got <- err.Error()
			return
		}
		got <- b.Records[0].ID
	}()
	appendN(t, j, 7, 8)
	if id := <-got; id != "id-7" {
		t.Error(id)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := r.Next(ctx, 1, 1); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Next(context.Background(), 1, 1); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if err := j.Append(context.Background(), record(1)); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

func TestManyAppendAndManyRead(t *testing.T) {
	const appenders, each = 16, 200
	j := open(t, t.TempDir(), Options{SegmentBytes: 32 << 10, SyncEvery: time.Millisecond})
	var wg sync.WaitGroup
	for a := range appenders {
		wg.Go(func() {
			for i := range each {
				if err := j.Append(context.Background(), record(a*each+i)); err != nil {
					t.Error(err)
				}
				_ = j.Stats()
			}
		})
	}
	for _, name := range []string{"a", "b", "c"} {
		r := reader(t, j, name)
		wg.Go(func() {
			last := map[int]int{}
			for n := 0; n < appenders*each; {
				b, err := r.Next(context.Background(), 50, 1<<20)
				if err != nil || b.Lost > 0 {
					t.Error(b.Lost, err)
					return
				}
				for _, record := range b.Records {
					var i int
					_, _ = fmt.Sscanf(record.ID, "id-%d", &i)
					if before, seen := last[i/each]; seen && i != before+1 {
						t.Errorf("%s came after %d", record.ID, before)
					}
					last[i/each] = i
				}
				n += len(b.Records)
				if err := r.Commit(b); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func TestTheOldestAreDroppedAndReadersAreTold(t *testing.T) {
	j := open(t, t.TempDir(), Options{MaxBytes: 1 << 20, SegmentBytes: 64 << 10})
	slow := reader(t, j, "slow")
	random := strings.Repeat("a b c ", 10)
	for i := range 4000 {
		r := record(i)
		r.Payload = fmt.Appendf(r.Payload, "%s%x", random, hash(i))
		if err := j.Append(context.Background(), r); err != nil {
			t.Fatal(err)
		}
	}
	stats := j.Stats()
	if stats.Bytes > 1<<20+64<<10 || stats.Dropped == 0 || stats.Readers["slow"].Lag != 4000 {
		t.Errorf("%+v", stats)
	}
	ids, lost := drain(t, slow, "id-3999")
	wantIDs(t, ids, int(lost), 4000)
	if lost != stats.Dropped || j.Stats().Readers["slow"].Lost != lost {
		t.Errorf("the reader was told of %d and %d, the journal counts %d", lost, j.Stats().Readers["slow"].Lost, stats.Dropped)
	}
}

// hash is text that does not compress well.
func hash(i int) []byte {
	b, x := make([]byte, 400), uint64(i)*0x9E3779B97F4A7C15+1
	for k := range b {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b[k] = byte(x)
	}
	return b
}

func TestOldRecordsAreDroppedThoughNothingComes(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{MaxAge: time.Millisecond})
	appendN(t, j, 0, 10)
	waitFor(t, func() bool { s := j.Stats(); return s.Oldest == 11 && s.Files == 1 })
	r := reader(t, j, "late")
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	j = open(t, dir, Options{})
	appendN(t, j, 10, 11)
	ids, _ := drain(t, reader(t, j, "late"), "id-10")
	wantIDs(t, ids, 10, 11)
	if newest := j.Stats().Newest; newest != 11 {
		t.Errorf("the eleventh record got number %d", newest)
	}
}

func TestWhatAllHaveReadIsRemoved(t *testing.T) {
	j := open(t, t.TempDir(), Options{SegmentBytes: 32 << 10})
	a, b := reader(t, j, "a"), reader(t, j, "b")
	appendN(t, j, 0, 5000)
	drain(t, a, "id-4999")
	files := j.Stats().Files
	if files < 3 {
		t.Fatalf("%d files are too few for this test", files)
	}
	drain(t, b, "id-4999")
	waitFor(t, func() bool { return j.Stats().Files == 1 })
	if dropped := j.Stats().Dropped; dropped != 0 {
		t.Errorf("%d records were dropped", dropped)
	}
}

func TestAReaderThatIsForgottenKeepsNothing(t *testing.T) {
	j := open(t, t.TempDir(), Options{SegmentBytes: 32 << 10})
	a := reader(t, j, "a")
	if err := reader(t, j, "old").Close(); err != nil {
		t.Fatal(err)
	}
	appendN(t, j, 0, 5000)
	drain(t, a, "id-4999")
	if err := j.Forget("a"); err == nil {
		t.Error("an open reader was forgotten")
	}
	if err := j.Forget("old"); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return j.Stats().Files == 1 })
}

func TestFaultsOfCallersAreNamed(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{MaxRecordBytes: 10})
	reader(t, j, "a")
	second := func() error { _, _, err := Open(dir, Options{}); return err }
	named := func(name string) error { _, err := j.Reader(name); return err }
	opened := func(o Options) error { _, _, err := Open(t.TempDir(), o); return err }
	appended := func(r Record) error { return j.Append(context.Background(), r) }
	for want, err := range map[string]error{
		"is in use by another process":      second(),
		"is open already":                   named("a"),
		`"../a" is no name`:                 named("../a"),
		"needs an ID of 1 to 256 bytes":     appended(Record{}),
		"id has 11 bytes of at most 10":     appended(Record{ID: "id", Payload: make([]byte, 11)}),
		"may take 5 bytes at most":          opened(Options{MaxBytes: 5}),
		`cannot be synced "now": choose`:    opened(Options{Sync: "now"}),
		"a file of the journal cannot be 1": opened(Options{SegmentBytes: 1}),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want …%s…", err, want)
		}
	}
}

func TestFilesOfANewerVersionAreLeftAlone(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{})
	appendN(t, j, 0, 1)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	w := writer{}
	header := appendHeader(nil, 2)
	header[1+len(magic)+1] = formatVersion + 1
	if _, err := w.open(logDir(dir), 2); err != nil {
		t.Fatal(err)
	}
	if _, err := w.log.NextSegmentSync(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.log.Log(header), w.log.Close()); err != nil {
		t.Fatal(err)
	}
	before, _ := filepath.Glob(filepath.Join(logDir(dir), "*"))
	if _, _, err := Open(dir, Options{}); !errors.Is(err, errNewer) || !strings.Contains(err.Error(), "00000002") {
		t.Error(err)
	}
	if after, _ := filepath.Glob(filepath.Join(logDir(dir), "*")); len(after) != len(before) {
		t.Errorf("%v became %v", before, after)
	}
}

func waitFor(t testing.TB, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatal("a minute was not enough")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestAnAppenderThatDoesNotWaitIsToldThatItsRecordsWillCome(t *testing.T) {
	j, _, err := Open(t.TempDir(), Options{Sync: SyncAlways})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	// With a context that has ended it is chance which error comes; both say the truth.
	pending, refused := 0, 0
	for i := range 200 {
		switch err := j.Append(ended, Record{ID: fmt.Sprint(i), Time: time.Now(), Payload: []byte("x")}); {
		case err == nil, errors.Is(err, ErrPending):
			pending++
		case errors.Is(err, context.Canceled):
			refused++
		default:
			t.Fatal(err)
		}
	}
	if err := j.Append(t.Context(), Record{ID: "last", Time: time.Now(), Payload: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	stats := j.Stats()
	if there := int(stats.Newest + 1 - stats.Oldest); there != pending+1 || pending+refused != 200 || pending == 0 {
		t.Errorf("%d records are there; %d were to come and %d were refused", there, pending, refused)
	}
}
