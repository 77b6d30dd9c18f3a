//go:build linux

package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// smallDisk mounts a file system of so many bytes; without the right to, the test is skipped.
func smallDisk(t *testing.T, bytes int) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes)); err != nil {
		t.Skipf("SKIPPED, A FULL DISK IS NOT TESTED: mounting a small file system needs root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill takes all the room there is; the function that it returns gives it back.
func fill(t *testing.T, dir string) (free func()) {
	t.Helper()
	ballast := filepath.Join(dir, "ballast")
	file, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for size := 1 << 20; size > 0; {
		if _, err := file.Write(make([]byte, size)); err != nil {
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatal(err)
			}
			size /= 2
		}
	}
	return func() {
		if err := os.Remove(ballast); err != nil {
			t.Error(err)
		}
	}
}

func incompressible(i int) Record {
	r := record(i)
	r.Payload = append(r.Payload, hash(i)...)
	return r
}

func TestAFullDiskKeepsNobodyWaitingAndLosesNothing(t *testing.T) {
	dir := smallDisk(t, 8<<20)
	folder := filepath.Join(dir, "journal")
	o := Options{MaxBytes: 4 << 20, SegmentBytes: 64 << 10}
	j := open(t, folder, o)
	r := reader(t, j, "a")
	appendN(t, j, 0, 100)
	free := fill(t, dir)

	const n = 3000
	acknowledged := 0
	var wg sync.WaitGroup
	var mu sync.Mutex
	for a := range 10 {
		wg.Go(func() {
			for i := 100 + a*n/10; i < 100+(a+1)*n/10; i++ {
				switch err := j.Append(context.Background(), incompressible(i)); {
				case err == nil:
					mu.Lock()
					acknowledged++
					mu.Unlock()
				case !errors.Is(err, ErrBuffered):
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	stats := j.Stats()
	if stats.Buffered == 0 || stats.Failures != 1 || !errors.Is(stats.Failure, syscall.ENOSPC) {
		t.Errorf("%d were acknowledged, %+v", acknowledged, stats)
	}
	// The disk is still full, and the first half is delivered nevertheless.
	seen := map[string]int{}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	read := func(n int) {
		for len(seen) < n {
			b, err := r.Next(ctx, min(100, n-len(seen)), 1<<20)
			if err != nil || b.Lost > 0 {
				t.Fatalf("%d lost: %v", b.Lost, err)
			}
			for _, record := range b.Records {
				seen[record.ID]++
			}
			if err := r.Commit(b); err != nil {
				t.Fatal(err)
			}
		}
	}
	read(1500)
	if j.Stats().Buffered == 0 {
		t.Error("the disk has room again")
	}
	free()
	waitFor(t, func() bool { return j.Stats().Failure == nil })
	if stats := j.Stats(); stats.Buffered != 0 || stats.Dropped != 0 {
		t.Errorf("%+v", stats)
	}
	// The rest from disk, by another process.
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	j = open(t, folder, o)
	r = reader(t, j, "a")
	appendN(t, j, 100+n, 110+n)
	read(110 + n)
	for id, times := range seen {
		if times != 1 {
			t.Errorf("%s was delivered %d times", id, times)
		}
	}
}

func TestMemoryForAFullDiskIsBoundedAndReadersAreTold(t *testing.T) {
	dir := smallDisk(t, 4<<20)
	j := open(t, filepath.Join(dir, "journal"), Options{MaxBytes: 1 << 20, BufferBytes: 100 << 10})
	r := reader(t, j, "a")
	appendN(t, j, 0, 10)
	free := fill(t, dir)
	buffered := 0
	for i := 10; i < 2000; i++ {
		if err := j.Append(context.Background(), incompressible(i)); errors.Is(err, ErrBuffered) {
			buffered++
		} else if err != nil {
			t.Fatal(err)
		}
	}
	stats := j.Stats()
	if stats.Dropped == 0 || stats.Buffered == 0 || uint64(buffered) != stats.Dropped+uint64(stats.Buffered) {
		t.Fatalf("%d buffered, %+v", buffered, stats)
	}
	free()
	waitFor(t, func() bool { return j.Stats().Failure == nil })
	ids, lost := drain(t, r, "id-1999")
	// What was being written when the disk became full may be on it all the same.
	if lost > stats.Dropped || lost+10 < stats.Dropped || len(ids)+int(lost) != 2000 {
		t.Errorf("%d records and %d lost of 2000; %d were given up", len(ids), lost, stats.Dropped)
	}
	wantIDs(t, ids[len(ids)-stats.Buffered:], 2000-stats.Buffered, 2000)
}

func TestAJournalOpensOnAFullDisk(t *testing.T) {
	dir := smallDisk(t, 4<<20)
	folder := filepath.Join(dir, "journal")
	j := open(t, folder, Options{MaxBytes: 1 << 20})
	appendN(t, j, 0, 10)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	free := fill(t, dir)
	j = open(t, folder, Options{MaxBytes: 1 << 20})
	r := reader(t, j, "new")
	if err := j.Append(context.Background(), incompressible(10)); !errors.Is(err, ErrBuffered) {
		t.Error(err)
	}
	var last Batch
	for n := 0; n < 11; {
		var err error
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		last, err = r.Next(ctx, 100, 1<<20)
		cancel()
		if err != nil || last.Lost > 0 {
			t.Fatal(last.Lost, err)
		}
		for _, got := range last.Records {
			if got.ID != record(n).ID {
				t.Errorf("record %d is %s", n, got.ID)
			}
			n++
		}
		// A new reader has no place on disk yet.
		if err := r.Commit(last); !errors.Is(err, syscall.ENOSPC) {
			t.Error(err)
		}
	}
	free()
	waitFor(t, func() bool { return j.Stats().Failure == nil })
	if err := r.Commit(last); err != nil {
		t.Error(err)
	}
}
