package file_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/internal/sink/file"
	"github.com/assay-gitops/assay/internal/sink/sinktest"
	"github.com/assay-gitops/assay/internal/weave"
)

func run(t *testing.T, o file.Options, results int) (s *file.Sink, wait func(), stop func()) {
	t.Helper()
	s, err := file.New(o)
	if err != nil {
		t.Fatal(err)
	}
	j := sinktest.Journal(t, t.TempDir())
	sinktest.Append(t, j, 0, results)
	r, stop := sinktest.Run(t, sink.Options{
		Name: "file", Sink: s, Journal: j, DeadLetters: filepath.Join(t.TempDir(), "dead"),
		MaxItems: 10, Linger: time.Millisecond, MinBackoff: time.Millisecond, MaxBackoff: 10 * time.Millisecond,
	})
	t.Cleanup(func() {
		stop()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, func() { t.Helper(); sinktest.Wait(t, "the lag to end", func() bool { return r.Status().Lag == 0 }) }, stop
}

// read adds the documents of files to those received.
func read(t *testing.T, received *sinktest.Received, pattern string) {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatal(pattern, err)
	}
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(content) {
			var v weave.PolicyValidation
			decoder := json.NewDecoder(bytes.NewReader(line))
			decoder.DisallowUnknownFields()
			if err := decoder.Decode(&v); err != nil {
				t.Errorf("%s: %v", line, err)
			}
			received.Add(v.ID)
		}
	}
}

func TestDocumentsAreLinesAsTheWeavePolicyAgentWroteThem(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.json")
	_, wait, stop := run(t, file.Options{Path: path, Sync: true}, 25)
	wait()
	stop()
	var received sinktest.Received
	read(t, &received, path)
	if twice := received.Want(t, 0, 25); twice > 0 {
		t.Errorf("%d twice", twice)
	}
	want, err := json.Marshal(sinktest.Result(0).Validation)
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if first, _, _ := bytes.Cut(content, []byte("\n")); !bytes.Equal(first, want) {
		t.Errorf("got  %s\nwant %s", first, want)
	}
}

func TestFilesAreBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.json")
	_, wait, stop := run(t, file.Options{Path: path, MaxBytes: 30_000, Keep: 100}, 200)
	wait()
	stop()
	var received sinktest.Received
	read(t, &received, path+"*")
	if twice := received.Want(t, 0, 200); twice > 0 {
		t.Errorf("%d twice", twice)
	}
	names, _ := filepath.Glob(path + "*")
	if len(names) < 5 {
		t.Errorf("only %d files", len(names))
	}
	for _, name := range names {
		if info, err := os.Stat(name); err != nil || info.Size() > 30_000 {
			t.Errorf("%s has %d bytes", name, info.Size())
		}
	}
}

func TestReopenWritesTheFileAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.json")
	s, err := file.New(file.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	send := func(i int) {
		r := sinktest.Result(i)
		if o := s.Send(t.Context(), []sink.Item{{ID: sinktest.ID(i), Result: &r}}); o[0].Err != nil {
			t.Fatal(o[0].Err)
		}
	}
	send(0)
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	send(1)
	s.Reopen()
	send(2)
	var moved, now sinktest.Received
	read(t, &moved, path+".1")
	read(t, &now, path)
	moved.Want(t, 0, 2)
	now.Want(t, 2, 3)
}

func TestAFolderThatIsNotThereYetIsWaitedFor(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "logs")
	_, wait, _ := run(t, file.Options{Path: filepath.Join(folder, "results.json")}, 5)
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	wait()
	var received sinktest.Received
	read(t, &received, filepath.Join(folder, "results.json"))
	received.Want(t, 0, 5)
}

func TestOptionsAreChecked(t *testing.T) {
	for want, o := range map[string]file.Options{
		`absolute path, not "results.json"`: {Path: "results.json"},
		"cannot be negative":                {Path: "/x", MaxAge: -1},
	} {
		if _, err := file.New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want …%s…", err, want)
		}
	}
}
