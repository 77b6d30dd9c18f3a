//go:build unix

package check

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/internal/render"
	"github.com/assay-gitops/assay/library"
)

// kinds of workloads that a generated tree consists of, in turns.
var workloads = []string{"Deployment", "StatefulSet", "DaemonSet", "Deployment", "CronJob", "Service", "ConfigMap"}

// manifest is an object as people write it, 1 to 2 KB for a workload, with something to find in every third.
func manifest(i int) string {
	kind, name := workloads[i%len(workloads)], fmt.Sprintf("app-%d", i)
	head := fmt.Sprintf("metadata:\n  name: %[1]s\n  namespace: team-%[2]d\n  labels:\n    app.kubernetes.io/name: %[1]s\n    app.kubernetes.io/part-of: bench\n", name, i%20)
	pod := fmt.Sprintf(`metadata:
  labels:
    app.kubernetes.io/name: %[1]s
spec:
  serviceAccountName: %[1]s
  securityContext:
    runAsNonRoot: %[2]v
    seccompProfile:
      type: RuntimeDefault
  containers:
  - name: main
    image: registry.example/%[1]s:1.%[3]d
    ports:
    - name: http
      containerPort: 8080
    env:
    - name: LOG_LEVEL
      value: info
    - name: DATABASE_HOST
      value: db.team-%[3]d.svc
    resources:
      requests:
        cpu: 100m
        memory: 128Mi
      limits:
        cpu: 500m
        memory: 256Mi
    readinessProbe:
      httpGet:
        path: /ready
        port: http
    livenessProbe:
      httpGet:
        path: /alive
        port: http
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities:
        drop: [ALL]
    volumeMounts:
    - name: tmp
      mountPath: /tmp
  volumes:
  - name: tmp
    emptyDir: {}
`, name, i%3 != 0, i%20)
	selector := "selector:\n  matchLabels:\n    app.kubernetes.io/name: " + name + "\n"
	switch kind {
	case "Service":
		return "apiVersion: v1\nkind: Service\n" + head + "spec:\n  selector:\n    app.kubernetes.io/name: " + name + "\n  ports:\n  - name: http\n    port: 80\n    targetPort: http\n"
	case "ConfigMap":
		return "apiVersion: v1\nkind: ConfigMap\n" + head + "data:\n  settings: |\n    level = info\n    workers = 4\n"
	case "CronJob":
		return "apiVersion: batch/v1\nkind: CronJob\n" + head + "spec:\n  schedule: '0 3 * * *'\n  jobTemplate:\n    spec:\n      template:\n" +
			indent(8, pod) + "          restartPolicy: Never\n"
	}
	return "apiVersion: apps/v1\nkind: " + kind + "\n" + head + "spec:\n" + indent(2, selector) + "  template:\n" + indent(4, pod)
}

func indent(n int, text string) string {
	pad := strings.Repeat(" ", n)
	return pad + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n"+pad) + "\n"
}

// corpus writes a tree of n objects, ten to a file.
func corpus(b *testing.B, n int) string {
	b.Helper()
	files := map[string]string{}
	for i := 0; i < n; i += 10 {
		var content strings.Builder
		for j := i; j < min(i+10, n); j++ {
			content.WriteString("---\n" + manifest(j))
		}
		files[fmt.Sprintf("team-%02d/app-%05d.yaml", i/10%20, i)] = content.String()
	}
	return write(b, files)
}

// BenchmarkCheck10000 is a whole run over 10,000 objects, without the start of the process and the writing of the report. The
// policies are the old library's where ASSAY_DATA names real data, else those that ship.
func BenchmarkCheck10000(b *testing.B) {
	const objects = 10_000
	dir := corpus(b, objects)
	o := Options{Paths: []string{dir}, Library: library.FS, Render: render.Options{Root: dir}, FailOn: v2.SeverityLow}
	if data := os.Getenv("ASSAY_DATA"); data != "" {
		policies := filepath.Join(data, "weave-policies")
		absolute, err := filepath.Abs(policies)
		if err != nil {
			b.Fatal(err)
		}
		o.Policies = []string{absolute}
	}
	peak := watchHeap(b)
	began := cpuTime(b)
	b.ReportAllocs()
	for b.Loop() {
		r, err := Run(b.Context(), o)
		if err != nil {
			b.Fatal(err)
		}
		if r.Objects != objects || len(r.Findings) == 0 {
			b.Fatalf("%d objects, %d findings", r.Objects, len(r.Findings))
		}
		b.ReportMetric(float64(len(r.Policies)), "policies")
		b.ReportMetric(float64(r.Evaluations)/objects, "evaluations/object")
		b.ReportMetric(float64(len(r.Findings)), "findings")
	}
	b.ReportMetric(float64((cpuTime(b)-began).Microseconds())/float64(b.N)/objects, "cpu-µs/object")
	b.ReportMetric(float64(peak())/(1<<20), "peak-heap-MB")
}

// watchHeap measures the highest heap while a benchmark runs, by looking often.
func watchHeap(b *testing.B) (peak func() uint64) {
	var highest atomic.Uint64
	done := make(chan struct{})
	b.Cleanup(func() { close(done) })
	runtime.GC()
	go func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				var stats runtime.MemStats
				runtime.ReadMemStats(&stats)
				if stats.HeapSys-stats.HeapReleased > highest.Load() {
					highest.Store(stats.HeapSys - stats.HeapReleased)
				}
			}
		}
	}()
	return highest.Load
}
