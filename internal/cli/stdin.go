package cli

import (
	"context"
	"io"
)

// interruptible reads from a stream that may never end, such as a terminal, until the context ends.
type interruptible struct {
	ctx    context.Context
	stream io.Reader
}

// Read reads in a goroutine of its own, as nothing ends a read that waits. After an interruption that goroutine is left
// to itself; it ends with the process.
func (r interruptible) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	type outcome struct {
		content []byte
		err     error
	}
	done := make(chan outcome, 1)
	go func() {
		buffer := make([]byte, len(p)) // p belongs to the caller again once Read has returned
		n, err := r.stream.Read(buffer)
		done <- outcome{buffer[:n], err}
	}()
	select {
	case <-r.ctx.Done():
		return 0, r.ctx.Err()
	case o := <-done:
		return copy(p, o.content), o.err
	}
}
