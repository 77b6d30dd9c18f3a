package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/assay-gitops/assay/internal/gate/survey"
	"github.com/assay-gitops/assay/internal/hub/store"
	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/policy"
)

const (
	// maxPast is how many objects that were sent to admission are judged: each has to be read.
	maxPast = 2000
	// pastPage is how many violations are listed at once.
	pastPage = 500
)

// past gives what admission refused or warned about in the hub's own cluster since a time, each object once, as it came last. Several policies
// may have found something in it.
func (s *service) past(scope store.Scope, since time.Time, namespaces []string) func(context.Context, func(*survey.PastObject) error) error {
	query := store.Query{Scope: scope, Clusters: []string{s.live.Name}, Namespaces: namespaces, Gates: []sink.Gate{sink.Admission}, From: since}
	return func(ctx context.Context, each func(*survey.PastObject) error) error {
		seen := map[Object]bool{}
		page := store.Page{Order: store.ByLastSeen, Limit: pastPage}
		for {
			found, err := s.store.Violations(ctx, query, page)
			if err != nil {
				return fmt.Errorf("listing what was sent to admission: %w", err)
			}
			for i := range found.Items {
				v := &found.Items[i]
				key := Object{v.APIVersion, v.Kind, v.Namespace, v.Name}
				if seen[key] {
					continue
				}
				if len(seen) == maxPast {
					return fmt.Errorf("more than %d objects were sent to admission since %s: the ones before are left out", maxPast, v.LastSeen.UTC().Format(time.RFC3339))
				}
				seen[key] = true
				if err := s.pastOne(ctx, scope, v, each); err != nil {
					return err
				}
			}
			if page.Cursor = found.Next; page.Cursor == "" {
				return nil
			}
		}
	}
}

// pastOne gives one object, unless only its name was kept.
func (s *service) pastOne(ctx context.Context, scope store.Scope, v *store.Violation, each func(*survey.PastObject) error) error {
	whole, err := s.store.Violation(ctx, scope, v.ID)
	switch {
	case errors.Is(err, store.ErrNotFound): // it was forgotten meanwhile
		return nil
	case err != nil:
		return fmt.Errorf("reading what was sent to admission: %w", err)
	case whole.Document == nil || whole.Document.Validation.Entity.Manifest == nil:
		return nil
	}
	content, err := exact(whole.Document.Validation.Entity.Manifest)
	if err != nil {
		return fmt.Errorf("reading %s %s as it was sent to admission: %w", v.Kind, v.Name, err)
	}
	return each(&survey.PastObject{
		Object:    &policy.Object{Content: content, Origin: sent{v.Kind + " " + v.Name}},
		Operation: whole.Document.Operation, At: v.LastSeen,
	})
}

// sent is where an object comes from that was sent to admission.
type sent struct{ what string }

// Root is the object itself.
func (o sent) Root() string { return o.what }

// Object has no line.
func (o sent) Object() policy.Location { return policy.Location{File: o.Root()} }

// Field is in the object.
func (o sent) Field(policy.Path) []policy.Location { return []policy.Location{o.Object()} }
