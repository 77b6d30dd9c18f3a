package journal

import (
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"regexp"
	"time"
)

// cursor is how far a reader has committed. Journal.mu guards it.
type cursor struct {
	// seq is the number of the last record it committed, or passed because it was gone.
	seq   uint64
	lost  uint64
	since time.Time
	open  bool
}

var (
	readerName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,99}$`)
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// All cursors have the same length, so that they are overwritten in place and need no room on a full disk; it is less than
// a sector, so that a loss of power leaves the old one or the new one.
const (
	cursorFormat = "assay-cursor 1 %020d %020d"
	cursorLine   = cursorFormat + " %08x\n"
)

func (c *cursor) line() string {
	text := fmt.Sprintf(cursorFormat, c.seq, c.lost)
	return fmt.Sprintf("%s %08x\n", text, crc32.Checksum([]byte(text), castagnoli))
}

func parseCursor(line string) (*cursor, error) {
	var c cursor
	var sum uint32
	if _, err := fmt.Sscanf(line, cursorLine, &c.seq, &c.lost, &sum); err != nil {
		return nil, fmt.Errorf("not a cursor: %w", err)
	}
	if c.line() != line {
		return nil, errors.New("not a cursor: its checksum is wrong")
	}
	return &c, nil
}

// readCursors reads those of all readers. One that cannot be understood begins with the oldest record.
func readCursors(dir string, oldest uint64, recovery *Recovery) (map[string]*cursor, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("listing the journal's readers: %w", err)
	}
	cursors := map[string]*cursor{}
	for _, entry := range entries {
		name := entry.Name()
		if !readerName.MatchString(name) || !entry.Type().IsRegular() {
			continue
		}
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, fmt.Errorf("reading the place of a reader of the journal: %w", err)
		}
		c, err := parseCursor(string(content))
		if err != nil {
			// An empty file is that of a reader which began on a full disk.
			if len(content) > 0 {
				recovery.Cursors = append(recovery.Cursors, name)
			}
			c = &cursor{seq: oldest - 1}
		}
		cursors[name] = c
	}
	return cursors, nil
}
