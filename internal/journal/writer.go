package journal

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/prometheus/tsdb/wlog"
	"github.com/prometheus/prometheus/util/compression"
)

// writer writes the log's files. The journal's committing goroutine is the only one to use it, but for sync.
type writer struct {
	log *wlog.WL
	// current is the file being written; nil when none is.
	current *segment
	// failed says that a write failed. wlog may then have written half a record and still hold the rest of its page, so the
	// file is given up once the page can be written, which also shows that the disk has room again.
	failed  bool
	scratch []byte
	slices  [][]byte
	// replacing keeps sync from a log that is being replaced, and from one whose file is.
	replacing sync.Mutex
}

// open makes a new file whose first record will have the given number.
func (w *writer) open(dir string, first uint64) (*segment, error) {
	w.replacing.Lock()
	defer w.replacing.Unlock()
	if w.log == nil {
		// wlog's own messages are of interest to nobody who does not have its source at hand.
		log, err := wlog.NewSize(slog.New(slog.DiscardHandler), nil, dir, maxSegmentBytes, compression.Zstd)
		if err != nil {
			return nil, fmt.Errorf("beginning a file of the journal: %w", err)
		}
		w.log = log
	} else if _, err := w.log.NextSegment(); err != nil {
		w.failed = true
		return nil, fmt.Errorf("beginning a file of the journal: %w", err)
	}
	_, index, err := wlog.Segments(dir)
	if err != nil {
		return nil, fmt.Errorf("beginning a file of the journal: %w", err)
	}
	now := time.Now()
	w.current = &segment{index: index, path: wlog.SegmentName(dir, index), first: first, last: first - 1, begun: now, newest: now}
	if err := w.write(appendHeader(nil, first)); err != nil {
		return w.current, err
	}
	return w.current, syncDir(dir)
}

// write gives the records to the kernel, all of them or an error.
func (w *writer) write(records ...[]byte) error {
	if err := w.log.Log(records...); err != nil {
		w.failed = true
		return fmt.Errorf("writing the journal: %w", err)
	}
	return nil
}

// append writes records to the current file.
func (w *writer) append(records []Record) error {
	size := 0
	for i := range records {
		size += records[i].size()
	}
	if cap(w.scratch) < size {
		w.scratch = make([]byte, 0, size)
	}
	b := w.scratch[:0]
	w.slices = w.slices[:0]
	for i := range records {
		begin := len(b)
		b = records[i].appendTo(b)
		w.slices = append(w.slices, b[begin:])
	}
	if cap(w.scratch) > 2*commitBytes {
		w.scratch = nil // one large record does not stay in memory
	}
	return w.write(w.slices...)
}

// release gives up the log after a failure, so that open can begin a new one. It fails as long as the disk cannot be written.
func (w *writer) release() error {
	w.replacing.Lock()
	defer w.replacing.Unlock()
	if w.log != nil {
		if err := w.log.Close(); err != nil {
			return fmt.Errorf("writing the journal: %w", err)
		}
	}
	w.log, w.current, w.failed = nil, nil, false
	return nil
}

// sync forces what was written to the disk. It may run while records are written.
func (w *writer) sync() error {
	w.replacing.Lock()
	defer w.replacing.Unlock()
	if w.log == nil {
		return nil
	}
	if err := w.log.Sync(); err != nil {
		return fmt.Errorf("forcing the journal to the disk: %w", err)
	}
	return nil
}

func fileSize(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// syncDir makes a new file's name survive.
func syncDir(dir string) error {
	d, err := os.Open(filepath.Clean(dir))
	if err != nil {
		return fmt.Errorf("opening the journal's folder: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("forcing the journal's folder to the disk: %w", err)
	}
	return nil
}
