package render

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

const deployment = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: %s
  namespace: shop
  labels:
    app.kubernetes.io/name: %[1]s
    app.kubernetes.io/part-of: shop
    app.kubernetes.io/managed-by: flux
  annotations:
    description: serves the pages that customers see, and nothing else
spec:
  replicas: 3
  revisionHistoryLimit: 5
  selector:
    matchLabels:
      app.kubernetes.io/name: %[1]s
  strategy:
    type: RollingUpdate
    rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
  template:
    metadata:
      labels:
        app.kubernetes.io/name: %[1]s
    spec:
      serviceAccountName: %[1]s
      automountServiceAccountToken: false
      securityContext:
        runAsNonRoot: true
        seccompProfile: {type: RuntimeDefault}
      containers:
      - name: main
        image: registry.example/shop/%[1]s:1.24.3
        imagePullPolicy: IfNotPresent
        ports:
        - containerPort: 8080
          name: http
        env:
        - name: LOG_LEVEL
          value: info
        - name: PASSWORD
          valueFrom:
            secretKeyRef: {name: %[1]s, key: password}
        readinessProbe:
          httpGet: {path: /ready, port: http}
          periodSeconds: 10
        livenessProbe:
          httpGet: {path: /live, port: http}
          periodSeconds: 20
        resources:
          requests: {cpu: 100m, memory: 128Mi}
          limits: {memory: 256Mi}
        securityContext:
          allowPrivilegeEscalation: false
          capabilities: {drop: [ALL]}
`

// smallFiles writes n files of one Deployment each, a hundred in a folder.
func smallFiles(t testing.TB, n int) string {
	t.Helper()
	dir := t.TempDir()
	for i := range n {
		write(t, filepath.Join(dir, fmt.Sprintf("%03d", i/100), fmt.Sprintf("web-%05d.yaml", i)), fmt.Sprintf(deployment, fmt.Sprintf("web-%05d", i)))
	}
	return dir
}

func TestTenThousandSmallFiles(t *testing.T) {
	dir := smallFiles(t, 10_000)
	var last Progress
	var calls int
	options := Options{Root: dir, Progress: func(p Progress) {
		if p.Done < last.Done || p.Done > p.Found {
			t.Errorf("%+v follows %+v", p, last)
		}
		last, calls = p, calls+1
	}}
	tree, err := Render(context.Background(), []string{dir}, options)
	if err != nil {
		t.Fatal(err)
	}
	if len(tree.Objects) != 10_000 || tree.Files != 10_000 || len(tree.Problems) != 0 {
		t.Fatalf("got %d objects, %d files, %d problems", len(tree.Objects), tree.Files, len(tree.Problems))
	}
	for i, object := range tree.Objects {
		if want := fmt.Sprintf("web-%05d", i); object.Name() != want {
			t.Fatalf("object %d is %s, want %s", i, object.Name(), want)
		}
	}
	if want := (Progress{Done: 10_000, Found: 10_000, Objects: 10_000}); last != want || calls == 0 {
		t.Errorf("the last progress of %d is %+v, want %+v", calls, last, want)
	}
}

func TestFilesThatAreTooLargeAreRefused(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "large.yaml"), "apiVersion: v1\nkind: X\na: |\n"+strings.Repeat("  0123456789\n", 10_000))
	write(t, filepath.Join(dir, "large.json"), `"`+strings.Repeat("x", 100_000)+`"`)
	write(t, filepath.Join(dir, "small.yaml"), "apiVersion: v1\nkind: X\n")
	// A hundred megabytes that no disk must hold.
	huge, err := os.Create(filepath.Join(dir, "huge.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := huge.Truncate(100 << 20); err != nil {
		t.Fatal(err)
	}
	huge.Close()
	options := Options{Root: dir, MaxFileBytes: 64 << 10, Stdin: io.LimitReader(zeros{}, 1<<40)}
	tree, err := Render(context.Background(), []string{dir, "-"}, options)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range tree.Problems {
		got = append(got, fmt.Sprintf("%s %v", p.Location.File, p.Warning))
		if p.Message != "the file is larger than 64 KiB" {
			t.Errorf("%s: %s", p.Location.File, p.Message)
		}
	}
	if got, want := strings.Join(got, ", "), "stdin false, huge.yaml false, large.json true, large.yaml false"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if len(tree.Objects) != 1 {
		t.Errorf("got %d objects", len(tree.Objects))
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestFoldersThatCannotBeReadAreProblems(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "closed", "a.yaml"), "apiVersion: v1\nkind: X\n")
	write(t, filepath.Join(dir, "closed.yaml"), "apiVersion: v1\nkind: X\n")
	write(t, filepath.Join(dir, "open.yaml"), "apiVersion: v1\nkind: X\n")
	for _, name := range []string{"closed", "closed.yaml"} {
		path := filepath.Join(dir, name)
		if err := os.Chmod(path, 0); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Chmod(path, 0o700) })
	}
	if _, err := os.ReadDir(filepath.Join(dir, "closed")); err == nil {
		t.Skip("this user can read everything")
	}
	tree, err := Render(context.Background(), []string{dir}, Options{Root: dir})
	if err != nil {
		t.Fatal(err)
	}
	if len(tree.Objects) != 1 || len(tree.Problems) != 2 {
		t.Fatalf("got %d objects and problems %v", len(tree.Objects), tree.Problems)
	}
	for _, p := range tree.Problems {
		if p.Message != "cannot be read: permission denied" || p.Warning {
			t.Errorf("got %+v", p)
		}
	}
}

func TestTheFirstProblemEndsTheRunWhenAsked(t *testing.T) {
	dir := smallFiles(t, 300)
	write(t, filepath.Join(dir, "000", "a.yaml"), "apiVersion: v1\nkind: [\n")
	write(t, filepath.Join(dir, "001", "b.yaml"), "apiVersion: v1\nkind: [\n")
	tree, err := Render(context.Background(), []string{dir}, Options{Root: dir, StopAtFirst: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(tree.Problems) != 1 || tree.Problems[0].Location.File != "000/a.yaml" || len(tree.Objects) > 100 {
		t.Errorf("got %d objects and problems %v", len(tree.Objects), tree.Problems)
	}
}

func TestACancelledRunEnds(t *testing.T) {
	dir := smallFiles(t, 2000)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var done atomic.Int64
	_, err := Render(ctx, []string{dir}, Options{Root: dir, Progress: func(p Progress) {
		done.Store(int64(p.Done))
		if p.Done == 10 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) || done.Load() > 100 {
		t.Errorf("got error %v after %d files", err, done.Load())
	}
}

func TestReadAllReadsEverything(t *testing.T) {
	for _, length := range []int{0, 1, 511, 512, 513, 5000} {
		want := bytes.Repeat([]byte("x"), length)
		for _, expected := range []int64{0, int64(length), 10 * int64(length)} {
			got, err := readAll(bytes.NewReader(want), expected, 5000)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes, expected %d: got %d bytes, error %v", length, expected, len(got), err)
			}
		}
	}
	if _, err := readAll(bytes.NewReader(make([]byte, 5001)), 0, 5000); err == nil {
		t.Error("one byte more than the limit is no error")
	}
}

func BenchmarkRender(b *testing.B) {
	dir := smallFiles(b, 10_000)
	b.ReportAllocs()
	for b.Loop() {
		tree, err := Render(context.Background(), []string{dir}, Options{Root: dir})
		if err != nil || len(tree.Objects) != 10_000 {
			b.Fatal(len(tree.Objects), err)
		}
	}
}
