package render

import (
	"cmp"
	"context"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/assay-gitops/assay/policy"
)

// run renders the units that were explored.
type run struct {
	options      Options
	root         string
	maxFileBytes int64
	// stopped is set once a problem ends the run.
	stopped atomic.Bool

	// results of the units that were rendered, and the real paths of the files that they have read.
	results map[*unit]*result
	claimed map[string]bool

	// progress is held while options.Progress is called.
	progress             sync.Mutex
	done, found, objects int
}

// sortedUnits sorts what was found; the order is that of the result.
func sortedUnits(units map[unitKey]*unit) []*unit {
	sorted := make([]*unit, 0, len(units))
	for _, u := range units {
		sorted = append(sorted, u)
	}
	slices.SortFunc(sorted, func(a, b *unit) int {
		return cmp.Or(strings.Compare(a.name, b.name), cmp.Compare(a.kind, b.kind), strings.Compare(a.real, b.real))
	})
	return sorted
}

// all renders everything once: the kustomizations that no other one uses, the charts that no kustomization has inflated,
// and then the files that neither of them has read.
func (r *run) all(ctx context.Context, units []*unit) error {
	r.results = make(map[*unit]*result, len(units))
	r.claimed = map[string]bool{}
	byKind := map[unitKind][]*unit{}
	for _, u := range units {
		byKind[u.kind] = append(byKind[u.kind], u)
	}
	selected, components := selectKustomizations(byKind[kustomization], r.uses, r.isComponent)
	for _, u := range byKind[kustomization] {
		if u.explicit && components[u.real] {
			r.results[u] = &result{problems: []policy.Problem{{
				Kind:     policy.RenderProblem,
				Location: policy.Location{File: u.name},
				Message:  "a component is not built by itself: it changes the resources of those who include it",
				Hint:     "name a kustomization that includes it",
				Warning:  true,
			}}}
		}
	}
	r.found = len(units)
	if err := r.each(ctx, selected); err != nil {
		return err
	}
	charts := slices.DeleteFunc(byKind[chart], func(u *unit) bool {
		return !u.explicit && r.claimed[filepath.Join(u.real, chartFile)]
	})
	if err := r.each(ctx, charts); err != nil {
		return err
	}
	files := slices.DeleteFunc(byKind[plain], func(u *unit) bool {
		// What lies beside a component is made for those who include it.
		return r.claimed[u.real] || !u.explicit && components[filepath.Dir(u.real)]
	})
	return r.each(ctx, files)
}

// each renders units at the same time, and claims the files that they have read.
func (r *run) each(ctx context.Context, units []*unit) error {
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	results := make([]result, len(units))
	for i, u := range units {
		if groupCtx.Err() != nil || r.stopped.Load() {
			break
		}
		group.Go(func() error {
			if r.stopped.Load() {
				return nil
			}
			results[i] = r.render(groupCtx, u)
			if err := ctx.Err(); err != nil {
				return err
			}
			if r.options.StopAtFirst && slices.ContainsFunc(results[i].problems, isFault) {
				r.stopped.Store(true)
			}
			r.advance(len(results[i].objects))
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for i, u := range units {
		r.results[u] = &results[i]
		for _, file := range results[i].read {
			r.claim(file)
		}
	}
	return ctx.Err()
}

func isFault(p policy.Problem) bool { return !p.Warning }

// claim notes that a file was read, under its real path.
func (r *run) claim(file string) {
	if real, err := filepath.EvalSymlinks(file); err == nil {
		file = real
	}
	r.claimed[file] = true
}

// advance tells the caller about a unit that is done.
func (r *run) advance(objects int) {
	r.progress.Lock()
	defer r.progress.Unlock()
	r.done++
	r.objects += objects
	if r.options.Progress != nil {
		r.options.Progress(Progress{Done: r.done, Found: r.found, Objects: r.objects})
	}
}

// tree puts the results together in the order of the units.
func (r *run) tree(units []*unit, found []policy.Problem) *Tree {
	t := &Tree{Files: len(r.claimed), Problems: found}
	objects := 0
	for _, result := range r.results {
		objects += len(result.objects)
	}
	t.Objects = make([]*policy.Object, 0, objects)
	for _, u := range units {
		result, ok := r.results[u]
		if !ok {
			continue
		}
		t.Objects = append(t.Objects, result.objects...)
		t.Problems = append(t.Problems, result.problems...)
		t.Files += result.files
	}
	t.Problems = distinct(t.Problems)
	if r.options.StopAtFirst {
		if first := slices.IndexFunc(t.Problems, isFault); first >= 0 {
			t.Problems = t.Problems[:first+1]
		}
	}
	return t
}

// distinct drops what is said twice, as when two overlays stumble over one base.
func distinct(problems []policy.Problem) []policy.Problem {
	seen := make(map[policy.Problem]bool, len(problems))
	return slices.DeleteFunc(problems, func(p policy.Problem) bool {
		again := seen[p]
		seen[p] = true
		return again
	})
}
