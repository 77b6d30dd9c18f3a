package cli

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/assay-gitops/assay/internal/gate/check"
	"github.com/assay-gitops/assay/internal/gate/survey"
)

// A run that takes less than progressDelay shows nothing; later ones are redrawn every progressInterval.
const (
	progressDelay    = time.Second
	progressInterval = 100 * time.Millisecond
)

// progress draws one line on a terminal that tells how far a run got, and takes it away again.
type progress struct {
	mu    sync.Mutex
	w     io.Writer
	now   func() time.Time
	next  time.Time
	drawn bool
}

// newProgress draws on the error stream when a person looks at it.
func newProgress(env *Env, off bool) *progress {
	p := &progress{now: time.Now}
	if env.StderrIsTerminal && !off && env.Getenv("CI") == "" && env.Getenv("TERM") != "dumb" {
		p.w = env.Stderr
	}
	p.next = p.now().Add(progressDelay)
	return p
}

// update draws another line, when it is time.
func (p *progress) update(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if p.w == nil || now.Before(p.next) {
		return
	}
	p.next = now.Add(progressInterval)
	p.drawn = true
	fmt.Fprintf(p.w, "\r\x1b[K%s", line)
}

// clear removes the line.
func (p *progress) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.drawn {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.drawn = false
	}
}

func progressLine(u check.Progress) string {
	if u.Found == 0 {
		return string(u.Phase) + " …"
	}
	return fmt.Sprintf("%s … %d of %d", u.Phase, u.Done, u.Found)
}

func surveyLine(u survey.Progress) string {
	return fmt.Sprintf("judging %s (%d of %d kinds) … %d objects, %d findings", u.Resource, u.Number, u.Of, u.Objects, u.Findings)
}
