package journal

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/prometheus/prometheus/tsdb/wlog"
)

// Recovery says what Open found.
type Recovery struct {
	// Records that are in the journal; those in damaged places of older files are counted until a reader comes there.
	Records uint64
	// Damages are the places from which on a file could not be read. What was after them is gone.
	Damages []Damage
	// Cursors are the readers whose cursor could not be read; they begin with the oldest record.
	Cursors []string
}

// Damage is a file of which something was lost.
type Damage struct {
	File   string
	Offset int64
	// Bytes that were after the last good record. When the process was killed in the middle of writing, they were of
	// records that no appender was told to be safe.
	Bytes  int64
	Reason string
}

// recoverSegments reads what is in the folder, cuts off what cannot be read and returns the files in order.
func recoverSegments(dir string, recovery *Recovery, log *slog.Logger) ([]*segment, error) {
	segments, err := listSegments(dir)
	if err != nil {
		return nil, err
	}
	var good []*segment
	for _, s := range slices.Backward(segments) {
		// All records of the last file are read, and when nothing of that is good, of the one before.
		lost, err := inspect(s, len(good) == 0, log)
		if err != nil {
			return nil, err
		}
		if lost == nil {
			good = append(good, s)
			continue
		}
		if lost.Bytes > 0 {
			recovery.Damages = append(recovery.Damages, *lost)
		}
		if lost.Offset == 0 {
			if err := os.Remove(s.path); err != nil {
				return nil, fmt.Errorf("removing a damaged file of the journal: %w", err)
			}
			continue
		}
		if err := os.Truncate(s.path, lost.Offset); err != nil {
			return nil, fmt.Errorf("cutting the damaged end off a file of the journal: %w", err)
		}
		s.bytes = lost.Offset
		good = append(good, s)
	}
	slices.Reverse(good)
	slices.Reverse(recovery.Damages)
	// Numbers only grow from file to file; one that does not go on where the one before began was copied here.
	slices.SortStableFunc(good, func(a, b *segment) int { return cmp.Compare(a.first, b.first) })
	for i, s := range good[:max(len(good)-1, 0)] {
		s.last = good[i+1].first - 1
	}
	return good, renumber(dir, good)
}

// inspect reads the header of a file, and all records if that is wanted. A damage at offset 0 means that nothing of the file
// is good.
func inspect(s *segment, all bool, log *slog.Logger) (*Damage, error) {
	r, first, err := openSegment(s.path, log)
	var bad damage
	if errors.As(err, &bad) {
		return &Damage{File: s.path, Bytes: contentSize(s.path, s.bytes), Reason: bad.Error()}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the journal: %w", err)
	}
	defer r.close()
	s.first, s.last = first, first-1
	for all {
		end := r.live.Offset()
		record, err := r.record()
		switch {
		case err == nil && record.seq < s.last:
			err = damage{fmt.Errorf("record %d comes after %d", record.seq, s.last)}
			fallthrough
		case errors.As(err, &bad):
			return &Damage{s.path, end, s.bytes - end, err.Error()}, nil
		case errors.Is(err, io.EOF):
			// A record that was being written when the process was killed; zeros fill up a page.
			if rest := s.bytes - end; rest > 0 && !zeros(s.path, end) {
				return &Damage{s.path, end, rest, "ends in the middle of a record"}, nil
			}
			return nil, nil
		case err != nil:
			return nil, fmt.Errorf("reading the journal: %w", err)
		}
		s.last = record.seq
	}
	return nil, nil
}

// contentSize is 0 for a file of zeros: it was begun, and the process or the machine died.
func contentSize(path string, size int64) int64 {
	if zeros(path, 0) {
		return 0
	}
	return size
}

// zeros tells whether a file has nothing but zeros from an offset on.
func zeros(path string, from int64) bool {
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	if _, err := file.Seek(from, io.SeekStart); err != nil {
		return false
	}
	buf := make([]byte, 32<<10)
	for {
		n, err := file.Read(buf)
		if slices.ContainsFunc(buf[:n], func(b byte) bool { return b != 0 }) {
			return false
		}
		if err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}

// listSegments in the order of their names, without reading them.
func listSegments(dir string) ([]*segment, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("listing the journal's files: %w", err)
	}
	var segments []*segment
	for _, entry := range entries {
		index, err := strconv.Atoi(entry.Name())
		if err != nil || wlog.SegmentName("", index) != entry.Name() || !entry.Type().IsRegular() {
			continue
		}
		info, err := entry.Info()
		if err != nil {
			return nil, fmt.Errorf("listing the journal's files: %w", err)
		}
		segments = append(segments, &segment{
			index: index, path: filepath.Join(dir, entry.Name()), bytes: info.Size(), newest: info.ModTime(),
		})
	}
	slices.SortFunc(segments, func(a, b *segment) int { return a.index - b.index })
	return segments, nil
}

// renumber gives the files consecutive names, which wlog demands. It moves each to a name that is smaller than its own and
// free, because all names before it are already consecutive.
func renumber(dir string, segments []*segment) error {
	if slices.IsSortedFunc(segments, func(a, b *segment) int { return a.index - b.index }) {
		for i, s := range segments {
			if err := s.rename(dir, segments[0].index+i); err != nil {
				return err
			}
		}
		return nil
	}
	next := slices.MaxFunc(segments, func(a, b *segment) int { return a.index - b.index }).index + 1
	for i, s := range segments {
		if err := s.rename(dir, next+i); err != nil {
			return err
		}
	}
	return nil
}

func (s *segment) rename(dir string, index int) error {
	path := wlog.SegmentName(dir, index)
	if s.path == path {
		return nil
	}
	if err := os.Rename(s.path, path); err != nil {
		return fmt.Errorf("renaming a file of the journal: %w", err)
	}
	s.index, s.path = index, path
	return nil
}
