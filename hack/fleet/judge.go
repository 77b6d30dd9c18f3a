package main

import (
	"context"
	"fmt"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/engine"
	"github.com/assay-gitops/assay/internal/catalog"
	"github.com/assay-gitops/assay/library"
	"github.com/assay-gitops/assay/policy"
)

// judge knows the policies that ship.
type judge struct {
	sources  engine.Sources
	snapshot *engine.Snapshot
}

func newJudge(ctx context.Context) (*judge, error) {
	shipped, err := catalog.Gather(library.FS, nil)
	if err != nil {
		return nil, err
	}
	snapshot, problems, err := engine.Compile(ctx, shipped.Sources, engine.Options{})
	if err != nil {
		return nil, err
	}
	if len(problems) > 0 {
		return nil, fmt.Errorf("compiling the policies that ship: %s", problems[0].Message)
	}
	return &judge{shipped.Sources, snapshot}, nil
}

// violations are those of an object.
func (j *judge) violations(ctx context.Context, o *policy.Object) ([]policy.Result, error) {
	verdict := j.snapshot.Judge(ctx, &policy.Request{Object: o, Mode: v2.ModeAudit})
	var found []policy.Result
	for _, r := range verdict.Results {
		if r.Status == policy.Violation {
			found = append(found, r)
		}
	}
	return found, verdict.Err
}
