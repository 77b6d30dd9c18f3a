package columns

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/assay-gitops/assay/internal/hub/store"
)

// filter is a query as rows are compared with it.
type filter struct {
	scope scope

	clusters, gates, kinds, names, namespaces, workspaces, apps set
	policies, exceptions                                        set
	statuses                                                    *[len(statuses) + 1]bool
	enforced                                                    *bool
	last, first                                                 span
	search                                                      *search
}

// scope is what may be seen. It is asked first.
type scope struct {
	all bool
	// seen are the namespaces by cluster; a cluster without any is not seen at all.
	seen []*namespaces
}

type namespaces struct {
	all   bool
	among set
}

func (s *scope) has(r *row) bool {
	if s.all {
		return true
	}
	n := s.seen[r.cluster]
	return n != nil && (n.all || n.among[r.namespace])
}

func (x *Index) scope(s store.Scope) scope {
	if s.All {
		return scope{all: true}
	}
	seen := make([]*namespaces, len(x.clusters.words))
	for cluster, names := range s.Namespaces {
		if n, known := x.clusters.numbers[cluster]; known && len(names) > 0 {
			seen[n] = &namespaces{among: x.namespaces.among(names)}
		}
	}
	for _, cluster := range s.Clusters {
		if n, known := x.clusters.numbers[cluster]; known {
			seen[n] = &namespaces{all: true}
		}
	}
	return scope{seen: seen}
}

// Sees tells whether the violation in a slot is in scope. One that is hidden never is.
func (x *Index) Sees(s store.Scope, slot uint32) bool {
	r := x.row(slot)
	allowed := x.scope(s)
	return r.shown && allowed.has(r)
}

func (x *Index) filter(q *store.Query) (*filter, error) {
	if len(q.Text) > store.MaxText {
		return nil, fmt.Errorf("%w: a text of %d bytes is looked for: %d are the most", store.ErrInvalid, len(q.Text), store.MaxText)
	}
	f := &filter{
		scope: x.scope(q.Scope), clusters: x.clusters.among(q.Clusters), kinds: x.kinds.among(q.Kinds), names: x.names.among(q.Names),
		namespaces: x.namespaces.among(q.Namespaces), workspaces: x.workspaces.among(q.Workspaces), apps: x.apps.among(q.Apps),
		policies: x.policies.among(q), exceptions: x.resolutions.among(q.Exceptions), enforced: q.Enforced,
		last: spanOf(q.From, q.To), first: spanOf(q.FirstFrom, q.FirstTo),
	}
	if len(q.Gates) > 0 {
		gates := make([]string, len(q.Gates))
		for i, gate := range q.Gates {
			gates[i] = string(gate)
		}
		f.gates = x.gates.among(gates)
	}
	if len(q.Statuses) > 0 {
		f.statuses = &[len(statuses) + 1]bool{}
		for _, status := range q.Statuses {
			f.statuses[statusNumber(status)] = true
		}
	}
	if q.Text != "" {
		f.search = x.search(q.Text)
	}
	return f, nil
}

const (
	minTime = -1 << 63
	maxTime = 1<<63 - 1
)

// span is from ≤ time < to, in nanoseconds since 1970.
type span struct{ from, to int64 }

func spanOf(from, to time.Time) span {
	return span{nanoseconds(from, minTime), nanoseconds(to, maxTime)}
}

func (s *span) has(t int64) bool { return t >= s.from && (t < s.to || s.to == maxTime) }

// nanoseconds since 1970, of the nearest time that can be told so.
func nanoseconds(t time.Time, zero int64) int64 {
	switch {
	case t.IsZero():
		return zero
	case t.Year() < 1678:
		return minTime
	case t.Year() > 2261:
		return maxTime
	}
	return t.UnixNano()
}

func (f *filter) has(r *row) bool {
	return r.shown && f.scope.has(r) &&
		(f.statuses == nil || f.statuses[r.status]) &&
		f.policies.has(r.policy) && f.clusters.has(r.cluster) && f.namespaces.has(r.namespace) &&
		f.kinds.has(r.kind) && f.gates.has(r.gate) && f.workspaces.has(r.workspace) && f.apps.has(r.app) && f.names.has(r.name) &&
		(f.enforced == nil || *f.enforced == r.enforced) &&
		f.exceptions.has(r.exception()) && f.last.has(r.last) && f.first.has(r.first) &&
		(f.search == nil || f.search.matches(r))
}

// among is the set of policies that a query means; nil when it does not say.
func (p *policies) among(q *store.Query) set {
	if len(q.Policies)+len(q.Categories)+len(q.Severities)+len(q.Standards)+len(q.Controls) == 0 {
		return nil
	}
	s := make(set, len(p.facts))
	for i := range p.facts {
		f := &p.facts[i]
		s[i] = oneOf(q.Policies, f.id) && oneOf(q.Categories, f.category) && oneOf(q.Severities, f.severity) &&
			(len(q.Standards) == 0 || slices.ContainsFunc(f.standards, func(s store.Standard) bool { return slices.Contains(q.Standards, s.ID) })) &&
			(len(q.Controls) == 0 || slices.ContainsFunc(q.Controls, f.hasControl))
	}
	return s
}

func oneOf(wanted []string, value string) bool {
	return len(wanted) == 0 || slices.Contains(wanted, value)
}

// hasControl takes "standard/control".
func (f *facts) hasControl(wanted string) bool {
	for _, standard := range f.standards {
		if control, of := strings.CutPrefix(wanted, standard.ID+"/"); of && slices.Contains(standard.Controls, control) {
			return true
		}
	}
	return false
}

// each calls for each row that a query means. Parts of the rows come in an order that has nothing to do with their age: who looks for the
// first in some order would find a better one again and again if rows came from the worst to the best.
func (x *Index) each(ctx context.Context, q *store.Query, do func(slot uint32, r *row)) error {
	f, err := x.filter(q)
	if err != nil {
		return err
	}
	n := len(x.chunks)
	for i, c := 0, n-1; i < n; i, c = i+1, (c+strideOf(n))%n {
		if err := ctx.Err(); err != nil {
			return err
		}
		chunk := x.chunks[c]
		for i := chunkRows - 1; i >= 0; i-- {
			if r := &chunk[i]; f.has(r) {
				do(uint32(c<<chunkBits|i), r) //nolint:gosec // below MaxSlots
			}
		}
	}
	return nil
}

// strideOf is a step that comes to each of n places before it comes to one again, and goes far.
func strideOf(n int) int {
	stride := max(1, n*618/1000)
	for gcd(stride, n) != 1 {
		stride++
	}
	return stride
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
