package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Batch is what Next returns.
type Batch struct {
	// Records in order; there may be none when records were lost.
	Records []Record
	// Lost is how many records before the last of Records are gone that this reader had not seen.
	Lost uint64
	// through is the number of the last record that the batch stands for.
	through uint64
}

// Reader reads the journal from where it was committed last, by whatever process. It is for one goroutine.
type Reader struct {
	j      *Journal
	name   string
	cursor *cursor
	file   *os.File
	// next is the number of the record that comes next; it is ahead of the cursor by what was read and not committed.
	next    uint64
	segment *segment
	source  *segmentReader
	// kept was read and did not fit into a batch.
	kept *Record
}

// Reader opens the reader of a name (a-z, 0-9, dot, dash, underscore; at most 100 characters). One that is new begins with
// the oldest record. Each can be open once at a time.
func (j *Journal) Reader(name string) (*Reader, error) {
	if !readerName.MatchString(name) {
		return nil, fmt.Errorf("%q is no name for a reader of the journal: use a-z, 0-9, dot, dash and underscore", name)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	c, known := j.cursors[name]
	if known && c.open {
		return nil, fmt.Errorf("the journal's reader %s is open already", name)
	}
	file, err := os.OpenFile(filepath.Join(cursorDir(j.dir), name), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the place of the journal's reader %s: %w", name, err)
	}
	if !known {
		c = &cursor{seq: j.oldest() - 1}
		if _, err := file.WriteAt([]byte(c.line()), 0); err != nil {
			j.options.Logger.Warn("the place of a reader of the journal cannot be written yet", "reader", name, "error", err)
		}
		j.cursors[name] = c
	}
	c.open = true
	return &Reader{j: j, name: name, cursor: c, file: file, next: c.seq + 1}, nil
}

// Forget removes the place of a reader that is no longer wanted and not open, so that nothing is kept for it.
func (j *Journal) Forget(name string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	c, known := j.cursors[name]
	if !known {
		return nil
	}
	if c.open {
		return fmt.Errorf("the journal's reader %s cannot be forgotten while it is open", name)
	}
	if err := os.Remove(filepath.Join(cursorDir(j.dir), name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("removing the place of the journal's reader %s: %w", name, err)
	}
	delete(j.cursors, name)
	return nil
}

// Next returns the next records, at most so many with at most so many bytes of payload together, but at least one. It waits
// until there is one or until some were lost, and ends with the context's error or ErrClosed. What it returned it does not
// return again, committed or not; another Reader of the name, later, begins after what was committed.
func (r *Reader) Next(ctx context.Context, records, bytes int) (Batch, error) {
	for {
		r.j.mu.Lock()
		changed, newest := r.j.changed, r.j.next-1
		r.j.mu.Unlock()
		if newest >= r.next {
			batch, err := r.read(max(records, 1), bytes)
			if err != nil {
				return Batch{}, fmt.Errorf("reading the journal: %w", err)
			}
			if batch.through > 0 {
				return batch, nil
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Batch{}, context.Cause(ctx)
		case <-r.j.closed:
			return Batch{}, ErrClosed
		}
	}
}

// read collects what there is, from the files and after them from the buffer.
func (r *Reader) read(most, bytes int) (Batch, error) {
	var b Batch
	for len(b.Records) < most {
		record, err := r.record()
		if err != nil && len(b.Records) == 0 {
			return Batch{}, err
		}
		if record == nil {
			break // an error comes again
		}
		bytes -= len(record.Payload)
		if len(b.Records) > 0 && bytes < 0 {
			r.kept = record
			return b, nil
		}
		r.take(&b, *record)
	}
	if len(b.Records) > 0 {
		return b, nil
	}
	r.j.mu.Lock()
	buffered := r.j.buffer.from(r.next, most, bytes)
	// Nothing on disk and nothing in memory: the newest records were given up.
	gone := len(buffered) == 0 && len(r.j.buffer.records) == 0 && r.j.oldest() == r.j.next
	newest := r.j.next - 1
	r.j.mu.Unlock()
	for _, record := range buffered {
		r.take(&b, record)
	}
	if gone && newest >= r.next {
		b.Lost += newest - r.next + 1
		b.through = newest
		r.next = newest + 1
	}
	return b, nil
}

func (r *Reader) take(b *Batch, record Record) {
	b.Lost += record.seq - r.next
	b.Records = append(b.Records, record)
	b.through = record.seq
	r.next = record.seq + 1
}

// record returns the next record of the files, nil when there is none at the moment.
func (r *Reader) record() (*Record, error) {
	if kept := r.kept; kept != nil {
		r.kept = nil
		return kept, nil
	}
	for {
		// Whether there is a file after this one is asked before reading, so that the end of a file that nobody writes any
		// more is its end.
		next := r.following()
		if r.source != nil {
			record, err := r.source.record()
			var bad damage
			switch {
			case err == nil && record.seq >= r.next:
				return &record, nil
			case err == nil:
				continue // seen before: the file was entered at its start, or the records were read from memory
			case errors.As(err, &bad):
				r.j.options.Logger.Error("a file of the journal is damaged; its rest is skipped", "reader", r.name, "file", r.segment.path, "offset", r.source.live.Offset(), "reason", err)
				r.leave()
				r.j.damaged.Store(true)
				continue
			case !errors.Is(err, io.EOF):
				return nil, err
			}
		}
		if next == nil {
			return nil, nil
		}
		if err := r.enter(next); err != nil {
			return nil, err
		}
	}
}

// following is the file after the one being read, or the one that has the next record; nil when there is none yet.
func (r *Reader) following() *segment {
	r.j.mu.Lock()
	defer r.j.mu.Unlock()
	if r.segment != nil && r.segment.dropped {
		r.leave()
	}
	for _, s := range r.j.segments {
		if r.segment == nil && s.last >= r.next || r.segment != nil && s.index > r.segment.index {
			return s
		}
	}
	return nil
}

// enter begins to read a file; one that was dropped just now or is damaged is passed.
func (r *Reader) enter(s *segment) error {
	r.leave()
	r.segment = s
	source, _, err := openSegment(s.path, r.j.options.Logger)
	var bad damage
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case errors.As(err, &bad):
		r.j.options.Logger.Error("a file of the journal is damaged and is skipped", "reader", r.name, "error", err)
		return nil
	case err != nil:
		return err
	}
	r.source = source
	return nil
}

func (r *Reader) leave() {
	if r.source != nil {
		r.source.close()
		r.source = nil
	}
}

// Commit makes the next Reader of this name begin after the batch. When it fails, it does so only if the process dies before
// a later Commit succeeds.
func (r *Reader) Commit(b Batch) error {
	if b.through == 0 {
		return nil
	}
	r.j.mu.Lock()
	r.cursor.seq = max(r.cursor.seq, b.through)
	r.cursor.lost += b.Lost
	if n := len(b.Records); n > 0 {
		r.cursor.since = b.Records[n-1].Time
	}
	line := r.cursor.line()
	r.j.mu.Unlock()
	if _, err := r.file.WriteAt([]byte(line), 0); err != nil {
		return fmt.Errorf("noting how far the journal's reader %s is: %w", r.name, err)
	}
	return nil
}

// Close ends the reader; its place is kept.
func (r *Reader) Close() error {
	r.leave()
	r.j.mu.Lock()
	r.cursor.open = false
	r.j.mu.Unlock()
	if err := r.file.Close(); err != nil {
		return fmt.Errorf("closing the journal's reader %s: %w", r.name, err)
	}
	return nil
}
