//go:build linux

package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assay-gitops/assay/internal/hub/store/storetest"
	"github.com/assay-gitops/assay/internal/sink"
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

func TestAFullDiskLosesNothingAndTheStoreGoesOn(t *testing.T) {
	disk := smallDisk(t, 32<<20)
	dir := filepath.Join(disk, "store")
	s := open(t, dir)
	ctx := context.Background()
	batch := func(n int) []*sink.Result {
		var results []*sink.Result
		for i := range 100 {
			results = append(results, storetest.Result(fmt.Sprintf("%d-%d", n, i), storetest.Object("Pod", fmt.Sprint("ns-", n), fmt.Sprint(i))))
		}
		return results
	}
	add(t, s, "one", batch(0)...)
	free := fill(t, disk)
	failed, n := 0, 1
	want := answers(t, s)
	for ; failed == 0 && n < 1000; n++ {
		want = answers(t, s)
		if _, err := s.Add(ctx, "one", batch(n)); err != nil {
			t.Logf("batch %d: %v", n, err)
			failed = n
		}
	}
	if failed == 0 {
		t.Fatal("the disk is full and everything could be added")
	}
	if diff := cmp.Diff(want, answers(t, s)); diff != "" {
		t.Errorf("a batch that failed left something: %s", diff)
	}
	if n, err := s.Add(ctx, "one", batch(failed)); err == nil {
		t.Errorf("%d were added to a full disk", n)
	}
	if err := s.Backup(ctx, filepath.Join(disk, "backup")); err == nil {
		t.Error("a backup was written to a full disk")
	}
	free()
	add(t, s, "one", batch(failed)...)
	add(t, s, "one", batch(failed+1)...)
	want = answers(t, s)
	shut(t, s)
	if diff := cmp.Diff(want, answers(t, open(t, dir))); diff != "" {
		t.Error(diff)
	}
}
