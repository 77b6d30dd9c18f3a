package journal

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/prometheus/tsdb/wlog"
)

// maxSegmentBytes keeps wlog from beginning a file by itself: the journal does, because each begins with a header.
const maxSegmentBytes = 1 << 30

// segment is one file of the log. All but its index and path is guarded by Journal.mu.
type segment struct {
	index int
	path  string
	// first is the number of its first record, last that of its last one; first-1 when it is empty.
	first, last uint64
	bytes       int64
	// begun is when it was opened for writing, newest when the last record was appended.
	begun, newest time.Time
	// dropped says that the file is gone.
	dropped bool
}

// damage is an error in the content of a file, as opposed to one in reading it.
type damage struct{ error }

// segmentReader reads a file from its start, while it may still be written.
type segmentReader struct {
	file *os.File
	live *wlog.LiveReader
}

// openSegment returns also the number of the first record. The error is a damage when the header is not good.
func openSegment(path string, log *slog.Logger) (*segmentReader, uint64, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	s := &segmentReader{file, wlog.NewLiveReader(log, wlog.NewLiveReaderMetrics(nil), file)}
	header, err := s.next()
	if err == nil {
		var first uint64
		if first, err = parseHeader(header); err == nil {
			return s, first, nil
		}
		if !errors.Is(err, errNewer) {
			err = damage{err}
		}
	}
	_ = file.Close()
	if errors.Is(err, io.EOF) {
		err = damage{errors.New("has no header")}
	}
	return nil, 0, fmt.Errorf("%s: %w", path, err)
}

// next returns what is valid until the next call; io.EOF when there is no more yet, a damage when nothing after this place
// can be read.
func (s *segmentReader) next() ([]byte, error) {
	if s.live.Next() {
		return s.live.Record(), nil
	}
	err := s.live.Err()
	var failed *os.PathError
	switch {
	case err == nil || errors.Is(err, io.EOF):
		return nil, io.EOF
	case errors.As(err, &failed):
		return nil, err
	}
	return nil, damage{err}
}

// record reads the next record, with the errors of next.
func (s *segmentReader) record() (Record, error) {
	b, err := s.next()
	if err != nil {
		return Record{}, err
	}
	r, err := parseRecord(b)
	if err != nil {
		return Record{}, damage{err}
	}
	return r, nil
}

func (s *segmentReader) close() { _ = s.file.Close() }
