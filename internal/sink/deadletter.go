package sink

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/assay-gitops/assay/internal/sink/rotate"
)

// deadLetterBytes bounds a file of dead letters; one older file is kept beside it.
const deadLetterBytes = 16 << 20

// letter is a line of a file of dead letters.
type letter struct {
	Time   time.Time `json:"time"`
	Sink   string    `json:"sink"`
	ID     string    `json:"id"`
	Reason string    `json:"reason"`
	// Result is the result, as JSON where it is.
	Result json.RawMessage `json:"result,omitempty"`
	Raw    []byte          `json:"raw,omitempty"`
}

// deadLetters is what a destination refused: JSON lines in a file that is made when there is one.
type deadLetters struct {
	path string
	file *rotate.File
}

func (d *deadLetters) write(sink, id string, reason error, raw []byte) error {
	l := letter{Time: time.Now().UTC(), Sink: sink, ID: id, Reason: reason.Error()}
	if json.Valid(raw) {
		l.Result = raw
	} else {
		l.Raw = raw
	}
	line, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("encoding a dead letter: %w", err)
	}
	if d.file == nil {
		if d.file, err = rotate.Open(d.path, rotate.Options{MaxBytes: deadLetterBytes, Keep: 1}); err != nil {
			return fmt.Errorf("opening the file of dead letters: %w", err)
		}
	}
	if err := d.file.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("writing a dead letter: %w", err)
	}
	return d.file.Sync()
}

func (d *deadLetters) close() error {
	if d.file == nil {
		return nil
	}
	return d.file.Close()
}
