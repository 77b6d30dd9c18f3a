package quick

import (
	"encoding/json"
	"strings"
	"sync"

	"github.com/assay-gitops/assay/internal/weave"
)

const (
	// maxKnown bounds the texts of policies that are known, in bytes; their fields take about as much again.
	maxKnown = 8 << 20
	// prefix is by how much of its text a policy is looked up: its name, its ID and some of its code.
	prefix = 160
	// maxAlike bounds the policies that are compared, as all of one prefix are.
	maxAlike = 32
)

// Policies are those that were read before. It is safe for concurrent use.
type Policies struct {
	mu    sync.Mutex
	known map[string][]knownPolicy
	bytes int
}

type knownPolicy struct {
	text   string
	policy weave.Policy
}

// read reads the policy that comes next.
func (p *Policies) read(t *text, to *weave.Policy) {
	if t.next() != '{' {
		t.giveUp()
		return
	}
	begin := t.s[t.at:min(t.at+prefix, len(t.s))]
	p.mu.Lock()
	alike := p.known[begin]
	p.mu.Unlock()
	for i := range alike {
		if t.takes(alike[i].text) {
			*to = alike[i].policy
			return
		}
	}
	own := copied(t)
	if t.failed {
		return
	}
	decoder := json.NewDecoder(strings.NewReader(own.s))
	decoder.UseNumber()
	if err := decoder.Decode(to); err != nil || decoder.InputOffset() != int64(len(own.s)) {
		t.giveUp()
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(own.s) < prefix || len(own.s) > maxKnown/16 {
		return // it is not looked up by what comes after it
	}
	if p.known == nil || p.bytes > maxKnown {
		p.known, p.bytes = map[string][]knownPolicy{}, 0
	}
	alike = p.known[begin]
	if len(alike) >= maxAlike {
		alike = nil
	}
	// A list of its own: somebody may be reading the one that was there.
	p.known[strings.Clone(begin)] = append(append(make([]knownPolicy, 0, len(alike)+1), alike...), knownPolicy{own.s, *to})
	p.bytes += len(own.s)
}
