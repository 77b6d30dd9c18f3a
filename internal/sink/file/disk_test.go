//go:build linux

package file_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/internal/sink/file"
	"github.com/assay-gitops/assay/internal/sink/sinktest"
)

func TestAFullDiskLeavesNoHalfLines(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", 64<<10)); err != nil {
		t.Skipf("SKIPPED, A FULL DISK IS NOT TESTED: mounting a small file system needs root: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	s, err := file.New(file.Options{Path: filepath.Join(dir, "results.json")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	var received sinktest.Received
	delivered := 0
	for ; delivered < 1000; delivered++ {
		r := sinktest.Result(delivered)
		o := s.Send(t.Context(), []sink.Item{{ID: sinktest.ID(delivered), Result: &r}})
		if o[0].State == sink.Retry {
			if !errors.Is(o[0].Err, syscall.ENOSPC) {
				t.Error(o[0].Err)
			}
			break
		}
	}
	read(t, &received, filepath.Join(dir, "results.json"))
	received.Want(t, 0, delivered)
}
