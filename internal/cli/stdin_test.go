package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestInterruptibleReadsWhatItsStreamHolds(t *testing.T) {
	if err := iotest.TestReader(interruptible{t.Context(), strings.NewReader("kind: Pod")}, []byte("kind: Pod")); err != nil {
		t.Fatal(err)
	}
}

func TestAReadThatWaitsIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	waiting, _ := io.Pipe()
	ended := make(chan error)
	go func() {
		_, err := io.ReadAll(interruptible{ctx, waiting})
		ended <- err
	}()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
}

func TestCheckThatWaitsForStandardInputCanBeInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	waiting, _ := io.Pipe()
	var stdout, stderr bytes.Buffer
	ended := make(chan int)
	go func() {
		ended <- Main(ctx, Env{
			Args: []string{"assay", "check", "-", "-q"}, Stdin: waiting, Stdout: &stdout, Stderr: &stderr,
			Getenv: func(string) string { return "" }, Dir: t.TempDir(),
		})
	}()
	cancel()
	if exit := <-ended; exit != 2 || !strings.Contains(stdout.String(), "interrupted") {
		t.Errorf("exit code %d, standard output %q, standard error %q", exit, &stdout, &stderr)
	}
}
