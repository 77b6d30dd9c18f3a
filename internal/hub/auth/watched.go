package auth

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"
)

const (
	// lookInterval is how often a file is looked at, when it is asked for. The kubelet takes up to a minute to bring a changed Secret.
	lookInterval = 5 * time.Second
	// maxFile bounds what is read: a Secret cannot hold more.
	maxFile = 1 << 20
)

// watched is what a file says, read again when it has changed. When the file cannot be read or is wrong, what it said before holds.
type watched[T any] struct {
	name   string
	parse  func([]byte) (T, error)
	logger *slog.Logger
	now    clock

	mu      sync.Mutex
	looked  time.Time
	content []byte
	value   T
	// told is the fault that the log knows already.
	told string
}

func watch[T any](name string, parse func([]byte) (T, error), logger *slog.Logger, now clock) (*watched[T], error) {
	w := &watched[T]{name: name, parse: parse, logger: logger, now: now, looked: now()}
	_, err := w.read()
	return w, err
}

func (w *watched[T]) get() T {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now := w.now(); now.Sub(w.looked) >= lookInterval {
		w.looked = now
		changed, err := w.read()
		switch {
		case err != nil && err.Error() != w.told:
			w.told = err.Error()
			w.logger.Error("a file has changed to one that cannot be used; what it said before holds", "file", w.name, "error", err)
		case err == nil:
			w.told = ""
		}
		if changed {
			w.logger.Info("a file has changed and was read again", "file", w.name)
		}
	}
	return w.value
}

func (w *watched[T]) read() (changed bool, err error) {
	file, err := os.Open(w.name)
	if err != nil {
		return false, err
	}
	content, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	switch {
	case err != nil:
		return false, fmt.Errorf("reading %s: %w", w.name, err)
	case len(content) > maxFile:
		return false, fmt.Errorf("%s has more than %d bytes", w.name, maxFile)
	case w.content != nil && bytes.Equal(content, w.content):
		return false, nil
	}
	value, err := w.parse(content)
	if err != nil {
		return false, fmt.Errorf("%s: %w", w.name, err)
	}
	w.content, w.value = content, value
	return true, nil
}
