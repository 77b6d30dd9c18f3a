package search

import (
	"context"
	"encoding/hex"
	"sync"
	"time"

	"github.com/assay-gitops/assay/internal/hub/store/fold"
)

// Types of records.
const (
	clusterRecord     = "cluster"
	policyRecord      = "policy"
	declarationRecord = "declaration"
	versionRecord     = "version"
	passRecord        = "pass"
)

func recordID(kind, id string) string { return kind + "-" + id }

// policyID of the record of a policy.
func policyID(d *fold.Definition) string {
	return recordID(policyRecord, hex.EncodeToString(d.Hash[:]))
}

const (
	// maxPolicies is how many are remembered as being there, rememberPolicies for how long: somebody may have removed them.
	maxPolicies      = 50_000
	rememberPolicies = time.Hour
)

// policies remembers which are there. The policy of a result is kept once for all results that it is of, as it is longer than all else.
type policies struct {
	mu    sync.Mutex
	there map[string]bool
	since time.Time
}

func (p *policies) has(id string, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.there == nil || len(p.there) > maxPolicies || now.Sub(p.since) > rememberPolicies {
		p.there, p.since = map[string]bool{}, now
	}
	return p.there[id]
}

func (p *policies) remember(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.there[id] = true
}

// keepPolicies keeps those that are not there.
func (s *Store) keepPolicies(ctx context.Context, items []fold.Item) error {
	missing := map[string]*fold.Definition{}
	now := time.Now()
	for i := range items {
		if id := policyID(items[i].Definition); !s.policies.has(id, now) {
			missing[id] = items[i].Definition
		}
	}
	var operations []operation
	for id, d := range missing {
		operations = append(operations, operation{
			action: "create", index: s.records, id: id,
			body: object{"type": policyRecord, "id": id, "definition": s.read.Codec.Compress(d.Text)},
		})
	}
	// A conflict is one that is there.
	if _, err := s.bulk(ctx, operations); err != nil {
		return err
	}
	for id := range missing {
		s.policies.remember(id)
	}
	return nil
}

// forget has all of them kept again.
func (p *policies) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.there = nil
}
