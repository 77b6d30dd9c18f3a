package policyfile_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assay-gitops/assay/engine"
	"github.com/assay-gitops/assay/internal/policyfile"
	"github.com/assay-gitops/assay/policy"
)

func TestLocate(t *testing.T) {
	set, problems := policyfile.FromObjects(parseFile(t, "locate.yaml"))
	if len(problems) > 0 {
		t.Fatal(write(problems))
	}
	block, quoted, folded := set.Sources.Policies[0], set.Sources.Policies[1], set.Sources.Policies[2]
	const excerpt = "violation[x] {\n^"
	for _, c := range []struct {
		name    string
		problem engine.Problem
		want    policy.Problem
	}{
		{
			"a line of a block is a line of the file, and the file's frame replaces the excerpt",
			engine.Problem{Source: block, Field: "spec.code", Line: 3, Column: 5, Message: "bad", Excerpt: excerpt, LeftOut: true},
			policy.Problem{Location: at(19, 9), Message: "Policy block: spec.code: bad"},
		},
		{
			"an unexpected end is the last line",
			engine.Problem{Source: block, Field: "spec.code", Line: 5, Column: 1, Message: "bad", LeftOut: true},
			policy.Problem{Location: at(20, 5), Message: "Policy block: spec.code: bad"},
		},
		{
			"a line without a column",
			engine.Problem{Source: block, Field: "spec.code", Line: 1, Message: "bad", LeftOut: true},
			policy.Problem{Location: at(17, 0), Message: "Policy block: spec.code: bad"},
		},
		{
			"a quoted text is one line of the file: its key and the excerpt",
			engine.Problem{Source: quoted, Field: "spec.code", Line: 3, Column: 1, Message: "bad", Excerpt: excerpt, LeftOut: true},
			policy.Problem{Location: at(35, 3), Message: "Policy quoted: spec.code: bad", Excerpt: excerpt},
		},
		{
			"a folded text has other lines than the file: its key and the excerpt",
			engine.Problem{Source: folded, Field: "spec.cel.validations[0].expression", Line: 1, Column: 9, Message: "bad", Excerpt: excerpt, LeftOut: true},
			policy.Problem{Location: at(51, 7), Message: "Policy folded: spec.cel.validations[0].expression: bad", Excerpt: excerpt},
		},
		{
			"a field without a position",
			engine.Problem{Source: set.Sources.Configs[0], Field: `spec.config["weave.policies.x"].parameters.y`, Message: "no such parameter", Hint: "remove it"},
			policy.Problem{Location: at(64, 9), Message: `PolicyConfig config: spec.config["weave.policies.x"].parameters.y: no such parameter`, Hint: "remove it", Warning: true},
		},
		{
			"no field stands for the object",
			engine.Problem{Source: quoted, Message: "bad", LeftOut: true},
			policy.Problem{Location: at(22, 1), Message: "Policy quoted: bad"},
		},
		{
			"a source from elsewhere has no place",
			engine.Problem{Source: block.DeepCopy(), Field: "spec.code", Line: 1, Message: "bad", LeftOut: true},
			policy.Problem{Message: "bad"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.want.Kind = policy.PolicyProblem
			got := set.Locate(c.problem)
			got.Location.EndLine, got.Location.EndColumn = 0, 0
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func at(line, column int) policy.Location {
	return policy.Location{File: "locate.yaml", Line: line, Column: column}
}

func TestOriginOfASource(t *testing.T) {
	set, _ := policyfile.FromObjects(parseFile(t, "locate.yaml"))
	first := set.Sources.Policies[0]
	if origin := set.Origin(first); origin == nil || origin.Object().Line != 1 {
		t.Errorf("origin is %v", origin)
	}
	if origin := set.Origin(first.DeepCopy()); origin != nil {
		t.Errorf("a copy has the origin %v", origin)
	}
}

func TestObjectsOfAClusterHaveNoOrigin(t *testing.T) {
	object := &policy.Object{Content: map[string]any{
		"apiVersion": "pac.weave.works/v2", "kind": "PolicySet", "metadata": map[string]any{"name": "set"},
		"spec": map[string]any{"mode": "audti", "filters": map[string]any{}},
	}}
	_, problems := policyfile.FromObjects([]*policy.Object{object})
	if len(problems) != 1 || !strings.Contains(problems[0].Message, "spec.mode must be") || problems[0].Location != (policy.Location{}) {
		t.Errorf("got %+v", problems)
	}
}
