//go:build unix

package check

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// BenchmarkStartup is the whole process on one manifest with the policies that ship: what a person waits for.
func BenchmarkStartup(b *testing.B) {
	binary := filepath.Join(b.TempDir(), "assay")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, "github.com/assay-gitops/assay/cmd/assay")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("build assay: %v\n%s", err, out)
	}
	dir := write(b, map[string]string{"web.yaml": manifest(0)})
	var cpu time.Duration
	for b.Loop() {
		command := exec.Command(binary, "check", "web.yaml", "--fail-on", "none")
		command.Dir = dir
		if out, err := command.CombinedOutput(); err != nil {
			b.Fatalf("%v\n%s", err, out)
		}
		cpu += command.ProcessState.UserTime() + command.ProcessState.SystemTime()
	}
	b.ReportMetric(float64(cpu.Microseconds())/1000/float64(b.N), "cpu-ms/op")
	b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/float64(b.N), "wall-ms/op")
}
