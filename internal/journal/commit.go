package journal

import (
	"fmt"
	"os"
	"time"
)

// How long the disk is left alone after it refused, at first and at most.
const (
	firstRetry = 250 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// run is the committing goroutine: the only one that writes the log's files and drops them.
func (j *Journal) run() {
	defer close(j.closed)
	stopSync := j.syncRegularly()
	defer stopSync()
	retain := time.NewTicker(time.Second)
	defer retain.Stop()
	retry := time.NewTimer(0)
	retry.Stop()
	armed, wait := false, firstRetry
	for {
		if j.writer.failed && !armed {
			retry.Reset(wait)
			armed, wait = true, min(2*wait, lastRetry)
		}
		select {
		case r := <-j.requests:
			j.commit(j.gather(r))
		case <-retry.C:
			armed = false
			if j.recoverDisk() {
				wait = firstRetry
			}
		case <-retain.C:
			j.retain()
		case <-j.closing:
			j.finish()
			return
		}
	}
}

// gather takes the requests that wait, so that they share a write.
func (j *Journal) gather(first *request) []*request {
	batch, bytes, records := []*request{first}, first.bytes, len(first.records)
	for bytes < commitBytes && records < commitRecords {
		select {
		case r := <-j.requests:
			batch = append(batch, r)
			bytes += r.bytes
			records += len(r.records)
		default:
			return batch
		}
	}
	return batch
}

func (j *Journal) commit(batch []*request) {
	var records []Record
	if len(batch) == 1 {
		records = batch[0].records
	} else {
		for _, r := range batch {
			records = append(records, r.records...)
		}
	}
	for i := range records {
		records[i].seq = j.next + uint64(i) // only this goroutine writes next
	}
	var err error
	if j.writer.failed {
		err = ErrBuffered
		j.keep(records)
	} else if err = j.write(records); err != nil {
		j.fail(err)
		err = fmt.Errorf("%w: %w", ErrBuffered, err)
		j.keep(records)
	} else if j.options.Sync == SyncAlways {
		err = j.writer.sync()
	} else {
		j.dirty.Store(true)
	}
	for _, r := range batch {
		r.done <- err
	}
}

// keep puts records into memory.
func (j *Journal) keep(records []Record) {
	j.mu.Lock()
	given := j.buffer.add(records)
	j.dropped += given
	j.next += uint64(len(records))
	j.announce()
	j.mu.Unlock()
	if given > 0 {
		j.options.Logger.Error("the journal gave up records, because its disk cannot be written and its memory for them is full", "records", given)
	}
}

// write writes records that have their numbers, to the current file or a new one, and shows them to the readers.
func (j *Journal) write(records []Record) error {
	w := &j.writer
	if w.current == nil || w.current.bytes >= j.options.SegmentBytes || time.Since(w.current.begun) > j.options.MaxAge/8 || j.damaged.Swap(false) {
		if err := j.begin(records[0].seq); err != nil {
			return err
		}
		defer j.retain()
	}
	if err := w.append(records); err != nil {
		return err
	}
	size := fileSize(w.current.path)
	j.mu.Lock()
	defer j.mu.Unlock()
	last := records[len(records)-1].seq
	w.current.last, w.current.bytes, w.current.newest = last, size, time.Now()
	j.next = max(j.next, last+1)
	j.announce()
	return nil
}

// begin begins a new file, whose first record will have the given number.
func (j *Journal) begin(first uint64) error {
	s, err := j.writer.open(logDir(j.dir), first)
	if err != nil {
		j.writer.failed = true
	}
	if s != nil {
		j.mu.Lock()
		j.segments = append(j.segments, s)
		j.mu.Unlock()
	}
	return err
}

func (j *Journal) fail(err error) {
	j.mu.Lock()
	j.failure = err
	j.failures++
	j.mu.Unlock()
	j.options.Logger.Error("the journal cannot be written; results are kept in memory until it can", "error", err)
}

// recoverDisk tells whether the disk can be written again; then all that was in memory is on it.
func (j *Journal) recoverDisk() bool {
	j.retain()
	err := j.writer.release()
	written := 0
	for err == nil {
		j.mu.Lock()
		records := j.buffer.head(commitBytes)
		j.mu.Unlock()
		if len(records) == 0 {
			break
		}
		if err = j.write(records); err == nil {
			written += len(records)
			j.mu.Lock()
			j.buffer.remove(len(records))
			j.mu.Unlock()
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.failure = err
	if err != nil {
		return false
	}
	j.dirty.Store(true)
	j.options.Logger.Info("the journal can be written again", "records from memory", written)
	return true
}

// retain drops the files that nobody needs, that are too old, or too many. One file stays, because it knows the number
// that comes next; when it is too old, it is an empty one.
func (j *Journal) retain() {
	if j.allTooOld() {
		if err := j.begin(j.next); err != nil {
			j.fail(err)
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	var bytes int64
	for _, s := range j.segments {
		bytes += s.bytes
	}
	slowest, known := j.slowest()
	tooOld := time.Now().Add(-j.options.MaxAge)
	for len(j.segments) > 1 {
		s := j.segments[0]
		read := known && s.last <= slowest
		if !read && bytes <= j.options.MaxBytes && s.newest.After(tooOld) {
			return
		}
		if err := os.Remove(s.path); err != nil && !os.IsNotExist(err) {
			j.options.Logger.Error("a file of the journal cannot be removed", "file", s.path, "error", err)
			return
		}
		s.dropped = true
		bytes -= s.bytes
		j.segments = j.segments[1:]
		if !read {
			j.tellDropped(s, slowest, known)
		}
	}
}

func (j *Journal) allTooOld() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.segments) == 0 || j.writer.failed {
		return false
	}
	s := j.segments[len(j.segments)-1]
	return s.last >= s.first && time.Since(s.newest) > j.options.MaxAge
}

// tellDropped counts and reports what somebody had not read. Callers hold mu.
func (j *Journal) tellDropped(s *segment, slowest uint64, known bool) {
	if s.last < s.first {
		return
	}
	from := s.first
	if known {
		from = max(from, slowest+1)
	}
	j.dropped += s.last - from + 1
	log := j.options.Logger
	log.Warn("the journal dropped its oldest records, which not every reader had read", "records", s.last-from+1, "bytes", s.bytes, "newest", s.newest)
	for name, c := range j.cursors {
		if c.seq < s.last {
			log.Warn("a reader of the journal lost records", "reader", name, "records", s.last-max(s.first-1, c.seq))
		}
	}
}

// syncRegularly forces the disk every SyncEvery, beside the writing, until the function that it returns is called.
func (j *Journal) syncRegularly() (stop func()) {
	if j.options.Sync != SyncInterval {
		return func() {}
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(j.options.SyncEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				if !j.dirty.Swap(false) {
					continue
				}
				if err := j.writer.sync(); err != nil {
					j.options.Logger.Error("what the journal has written may not survive a loss of power", "error", err)
				}
			case <-quit:
				return
			}
		}
	}()
	return func() { close(quit); <-done }
}

// finish answers the requests that wait and closes the files.
func (j *Journal) finish() {
	for {
		select {
		case r := <-j.requests:
			j.commit(j.gather(r))
			continue
		default:
		}
		break
	}
	if j.writer.failed {
		j.recoverDisk()
	}
	if err := j.writer.release(); err != nil {
		j.closeErr = fmt.Errorf("closing the journal: %w", err)
	}
	j.mu.Lock()
	if n := len(j.buffer.records); n > 0 {
		j.closeErr = fmt.Errorf("closing the journal: %d records could not be written: %w", n, j.failure)
	}
	j.mu.Unlock()
	if err := j.lock.Release(); err != nil && j.closeErr == nil {
		j.closeErr = fmt.Errorf("closing the journal: %w", err)
	}
}
