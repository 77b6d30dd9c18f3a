package journal

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/prometheus/tsdb/fileutil"
)

// Errors of Append, for errors.Is.
var (
	// ErrBuffered: the disk cannot be written at the moment. The records are in memory and will be written and read in
	// their order, unless the process dies before. Nobody needs to append them again.
	ErrBuffered = errors.New("the journal's disk cannot be written; the records are kept in memory")
	// ErrPending: the context ended before the records were written. They will be, unless the process dies before. Nobody needs
	// to append them again.
	ErrPending = errors.New("the records are not known to be in the journal yet")
	// ErrClosed: the journal was closed.
	ErrClosed = errors.New("the journal is closed")
	// ErrTooLarge: a record is larger than Options.MaxRecordBytes; none of the call's records was appended.
	ErrTooLarge = errors.New("the record is too large for the journal")
)

// Journal is an open journal. It is safe for concurrent use.
type Journal struct {
	dir      string
	options  Options
	lock     fileutil.Releaser
	requests chan *request
	closing  chan struct{}
	closed   chan struct{}
	stop     sync.Once
	closeErr error

	// writer belongs to the committing goroutine, but for its sync.
	writer writer
	// dirty says that something was written since the disk was last forced, damaged that a reader found the file that is
	// being written unreadable, so that another one is wanted.
	dirty, damaged atomic.Bool

	mu sync.Mutex
	// segments in order; the last one is being written when the writer has one open.
	segments []*segment
	// next is the number that the next record gets; all before it can be read, on disk or in buffer.
	next   uint64
	buffer buffer
	// cursors of all readers that are known, open or not.
	cursors map[string]*cursor
	// changed is closed, and replaced, when there is more to read.
	changed  chan struct{}
	failure  error
	failures uint64
	dropped  uint64
}

// request is what one call of Append wants; done has room for one answer.
type request struct {
	records []Record
	bytes   int
	done    chan error
}

// The limits of what is written at once.
const (
	commitBytes   = 1 << 20
	commitRecords = 1024
)

// Open opens the journal in a folder of its own, which it makes. It cuts off what the death of a process left half written;
// Recovery says what was lost. A folder has one journal at a time. Open succeeds on a full disk.
func Open(dir string, o Options) (*Journal, *Recovery, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, nil, err
	}
	for _, folder := range []string{logDir(dir), cursorDir(dir)} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return nil, nil, fmt.Errorf("making the journal's folder: %w", err)
		}
	}
	lock, _, err := fileutil.Flock(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, nil, fmt.Errorf("the journal in %s is in use by another process, or cannot be locked: %w", dir, err)
	}
	j := &Journal{
		dir: dir, options: o, lock: lock, changed: make(chan struct{}),
		requests: make(chan *request, 1024), closing: make(chan struct{}), closed: make(chan struct{}),
		buffer: buffer{limit: o.BufferBytes}, next: 1,
	}
	recovery := &Recovery{}
	if err := j.recover(recovery); err != nil {
		_ = lock.Release()
		return nil, nil, err
	}
	go j.run()
	return j, recovery, nil
}

func logDir(dir string) string    { return filepath.Join(dir, "log") }
func cursorDir(dir string) string { return filepath.Join(dir, "readers") }

func (j *Journal) recover(recovery *Recovery) error {
	log := j.options.Logger
	segments, err := recoverSegments(logDir(j.dir), recovery, log)
	if err != nil {
		return err
	}
	j.segments = segments
	for _, s := range segments {
		recovery.Records += s.last - s.first + 1
	}
	if len(segments) > 0 {
		j.next = segments[len(segments)-1].last + 1
	}
	if j.cursors, err = readCursors(cursorDir(j.dir), j.oldest(), recovery); err != nil {
		return err
	}
	// A reader may have seen records that the machine lost together with its power, or that only were in memory. New ones
	// must not get the numbers it has passed.
	for _, c := range j.cursors {
		j.next = max(j.next, c.seq+1)
	}
	for _, d := range recovery.Damages {
		log.Warn("the end of a file of the journal could not be read and was cut off", "file", d.File, "offset", d.Offset, "bytes", d.Bytes, "reason", d.Reason)
	}
	for _, name := range recovery.Cursors {
		log.Warn("the place of a reader of the journal could not be read; it begins with the oldest record", "reader", name)
	}
	return nil
}

// Append returns when the records survive the death of the process, in the order of the call. It fails with ErrBuffered when
// the disk cannot be written, with the context's error when that ends before (ErrPending as well when they will be written nevertheless),
// with ErrTooLarge and ErrClosed. Many appenders share one write.
func (j *Journal) Append(ctx context.Context, records ...Record) error {
	if len(records) == 0 {
		return nil
	}
	r := &request{records: slices.Clone(records), done: make(chan error, 1)}
	for i := range records {
		switch record := &records[i]; {
		case record.ID == "" || len(record.ID) > maxID:
			return fmt.Errorf("a record of the journal needs an ID of 1 to %d bytes, not %d", maxID, len(record.ID))
		case len(record.Payload) > j.options.MaxRecordBytes:
			return fmt.Errorf("%w: %s has %d bytes of at most %d", ErrTooLarge, record.ID, len(record.Payload), j.options.MaxRecordBytes)
		default:
			r.bytes += record.size()
		}
	}
	select {
	case <-j.closing:
		return ErrClosed
	default:
	}
	select {
	case j.requests <- r:
	case <-j.closing:
		return ErrClosed
	case <-ctx.Done():
		return fmt.Errorf("appending to the journal: %w", context.Cause(ctx))
	}
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrPending, context.Cause(ctx))
	case <-j.closed:
		// The last requests may have been answered just now.
		select {
		case err := <-r.done:
			return err
		default:
			return ErrClosed
		}
	}
}

// Close writes what was given to Append and forces it to the disk. Readers end with ErrClosed.
func (j *Journal) Close() error {
	j.stop.Do(func() { close(j.closing) })
	<-j.closed
	return j.closeErr
}

// Stats is the state of a journal.
type Stats struct {
	// Oldest and Newest are the numbers of the first and last record that can be read; Newest is Oldest-1 when there is none.
	Oldest, Newest uint64
	// Bytes on disk, and Files they are in.
	Bytes int64
	Files int
	// Dropped counts, since Open, the records that were given up while some reader had not read them.
	Dropped uint64
	// Buffered records are in memory because of Failure, which is why the disk cannot be written; nil when it can.
	Buffered int
	Failure  error
	// Failures counts the times the disk began to refuse, since Open.
	Failures uint64
	// Readers by name, also those that are not open.
	Readers map[string]ReaderStats
}

// ReaderStats is how far a reader is.
type ReaderStats struct {
	// Lag is how many records the reader has not committed.
	Lag uint64
	// Since is the time of the last record it committed; zero when there was none since Open.
	Since time.Time
	// Lost counts the records that were gone before the reader could read them, ever.
	Lost uint64
}

// Stats takes no longer than there are files and readers.
func (j *Journal) Stats() Stats {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := Stats{
		Oldest: j.oldest(), Newest: j.next - 1, Files: len(j.segments), Dropped: j.dropped,
		Buffered: len(j.buffer.records), Failure: j.failure, Failures: j.failures, Readers: make(map[string]ReaderStats, len(j.cursors)),
	}
	for _, segment := range j.segments {
		s.Bytes += segment.bytes
	}
	for name, c := range j.cursors {
		s.Readers[name] = ReaderStats{Lag: j.next - 1 - c.seq, Since: c.since, Lost: c.lost}
	}
	return s
}

// oldest is the number of the first record that can be read, next when there is none. Callers hold mu.
func (j *Journal) oldest() uint64 {
	for _, s := range j.segments {
		if s.last >= s.first {
			return s.first
		}
	}
	if len(j.buffer.records) > 0 {
		return j.buffer.records[0].seq
	}
	return j.next
}

// announce wakes the readers. Callers hold mu.
func (j *Journal) announce() {
	close(j.changed)
	j.changed = make(chan struct{})
}

// slowest is the cursor that is furthest behind, false when no reader is known. Callers hold mu.
func (j *Journal) slowest() (uint64, bool) {
	if len(j.cursors) == 0 {
		return 0, false
	}
	return slices.MinFunc(slices.Collect(maps.Values(j.cursors)), func(a, b *cursor) int {
		if a.seq < b.seq {
			return -1
		}
		return 1
	}).seq, true
}
