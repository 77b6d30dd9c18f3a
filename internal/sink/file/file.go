// Package file is the sink that writes results to a file: the documents of the Weave Policy Agent, one in a line.
package file

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/internal/sink/rotate"
)

// Options of the sink. Zero means the default.
type Options struct {
	// Path of the file. It is made readable by its owner only.
	Path string
	// MaxBytes of the file before it is put aside under a name with the time; 100 MiB. Negative means without limit.
	MaxBytes int64
	// MaxAge puts it aside at multiples of it, such as every midnight UTC for 24 h; never by default.
	MaxAge time.Duration
	// Keep is how many files that were put aside are kept; 5. Negative keeps all.
	Keep int
	// Sync forces each batch to the disk before it counts as delivered.
	Sync bool
}

// Sink writes to a file. The runner calls Send from one goroutine; Reopen may come from any.
type Sink struct {
	options Options
	file    *rotate.File
	reopen  atomic.Bool
}

// New does not open the file yet, so that a folder which is not there yet does not keep the agent from starting.
func New(o Options) (*Sink, error) {
	if !filepath.IsAbs(o.Path) {
		return nil, fmt.Errorf("the file for results needs an absolute path, not %q", o.Path)
	}
	if o.MaxAge < 0 {
		return nil, errors.New("the age at which the file for results is put aside cannot be negative")
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 100 << 20
	}
	if o.Keep == 0 {
		o.Keep = 5
	}
	o.MaxBytes, o.Keep = max(o.MaxBytes, 0), max(o.Keep, 0)
	return &Sink{options: o}, nil
}

// Reopen makes the next batch open the file by its name again: the agent calls it on SIGHUP, for those who move files away
// by themselves.
func (s *Sink) Reopen() { s.reopen.Store(true) }

// Send appends the items, all or none. When the process dies between that and noting it, they come once more.
func (s *Sink) Send(_ context.Context, items []sink.Item) []sink.Outcome {
	outcomes := make([]sink.Outcome, len(items))
	var lines []byte
	for i, item := range items {
		line, err := json.Marshal(item.Result.Validation)
		if err != nil {
			outcomes[i] = sink.Outcome{State: sink.Refused, Err: fmt.Errorf("encoding the document: %w", err)}
			continue
		}
		lines = append(append(lines, line...), '\n')
	}
	if err := s.write(lines); err != nil {
		return sink.Same(items, sink.Outcome{State: sink.Retry, Err: fmt.Errorf("writing results to a file: %w", err)})
	}
	return outcomes
}

func (s *Sink) write(lines []byte) error {
	if s.file == nil {
		file, err := rotate.Open(s.options.Path, rotate.Options{MaxBytes: s.options.MaxBytes, MaxAge: s.options.MaxAge, Keep: s.options.Keep})
		if err != nil {
			return err
		}
		s.file = file
	}
	if s.reopen.Swap(false) {
		if err := s.file.Reopen(); err != nil {
			return err
		}
	}
	if err := s.file.Write(lines); err != nil {
		return err
	}
	if s.options.Sync {
		return s.file.Sync()
	}
	return nil
}

// Close closes the file, once the runner has ended.
func (s *Sink) Close() error {
	if s.file == nil {
		return nil
	}
	if err := errors.Join(s.file.Sync(), s.file.Close()); err != nil {
		return fmt.Errorf("closing the file for results: %w", err)
	}
	return nil
}
