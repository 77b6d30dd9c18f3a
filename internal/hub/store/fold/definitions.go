package fold

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"reflect"
	"sync"

	"github.com/assay-gitops/assay/internal/weave"
)

// Definition is a policy as it is kept, and its hash.
type Definition struct {
	Text []byte
	Hash [16]byte
	// policy is what text says.
	policy weave.Policy
}

// definitions remembers the last definition of each policy of a cluster: most results have the one that the result before had, and comparing
// is much less work than encoding. It is safe for concurrent use.
type definitions struct {
	mu   sync.Mutex
	last map[[2]string]*Definition
}

// maxDefinitions is how many are remembered.
const maxDefinitions = 10_000

func (d *definitions) of(cluster string, p *weave.Policy) (*Definition, error) {
	key := [2]string{cluster, p.ID}
	d.mu.Lock()
	last := d.last[key]
	d.mu.Unlock()
	if last != nil && reflect.DeepEqual(&last.policy, p) {
		return last, nil
	}
	text, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	made := &Definition{Text: text, Hash: [16]byte(sum[:])}
	// A copy: the result is not ours for longer than it is added.
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&made.policy); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.last == nil || len(d.last) >= maxDefinitions {
		d.last = map[[2]string]*Definition{}
	}
	d.last[key] = made
	return made, nil
}
