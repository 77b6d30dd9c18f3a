package cli

import (
	"context"
	"fmt"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/internal/catalog"
	"github.com/assay-gitops/assay/internal/render"
	"github.com/assay-gitops/assay/library"
	"github.com/assay-gitops/assay/policy"
)

// loadPolicies returns the policies below the paths, or those that ship when there are none.
func loadPolicies(ctx context.Context, env *Env, paths []string) (*catalog.Catalog, error) {
	if len(paths) == 0 {
		return catalog.Gather(library.FS, nil)
	}
	tree, err := render.Render(ctx, paths, render.Options{Root: env.Dir, Stdin: env.Stdin})
	if err != nil {
		return nil, fmt.Errorf("read policies: %w", err)
	}
	c, err := catalog.Gather(nil, tree.Objects)
	if err != nil {
		return nil, err
	}
	c.Problems = append(tree.Problems, c.Problems...)
	return c, nil
}

// findPolicy returns a policy and where it was written: one below the paths, or else one that ships or that lies below
// the working directory, which is what check judges by.
func findPolicy(ctx context.Context, env *Env, paths []string, name string) (*v2.Policy, policy.Origin, error) {
	c, err := loadPolicies(ctx, env, paths)
	if err != nil {
		return nil, nil, err
	}
	p, unknown := c.Find(name)
	if unknown == nil {
		return p, c.Origin(p), nil
	}
	if len(paths) > 0 {
		reportProblems(env, c.Problems)
		return nil, nil, unknown
	}
	found, err := loadPolicies(ctx, env, []string{"."})
	if err != nil {
		return nil, nil, err
	}
	if p, err := found.Find(name); err == nil {
		return p, found.Origin(p), nil
	}
	return nil, nil, unknown
}

// reportProblems writes problems to the error stream and tells whether any of them kept something out.
func reportProblems(env *Env, problems []policy.Problem) bool {
	incomplete := false
	for _, p := range problems {
		what := "error"
		if p.Warning {
			what = "warning"
		}
		incomplete = incomplete || !p.Warning
		fmt.Fprintf(env.Stderr, "%s: %s%s\n", what, at(p.Location), p.Message)
		if p.Hint != "" {
			fmt.Fprintf(env.Stderr, "hint: %s\n", p.Hint)
		}
	}
	return incomplete
}

// at is "file:line:column: ", as far as known.
func at(l policy.Location) string {
	switch {
	case l.File == "":
		return ""
	case l.Line == 0:
		return l.File + ": "
	case l.Column == 0:
		return fmt.Sprintf("%s:%d: ", l.File, l.Line)
	}
	return fmt.Sprintf("%s:%d:%d: ", l.File, l.Line, l.Column)
}
