package engine

import (
	"time"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/policy"
)

// Sources are what a Snapshot is made of. Nobody may change them once they were given to Compile.
type Sources struct {
	Policies   []*v2.Policy
	Sets       []*v2.PolicySet
	Configs    []*v2.PolicyConfig
	Exceptions []*v2.PolicyException
	// Workloads are kinds that contain a pod template and are judged by policies about the kinds that they are like too.
	Workloads policy.Workloads
}

// Options of Compile. The zero value is right for most.
type Options struct {
	// AllowNetwork lets Rego policies use http.send and its kin.
	AllowNetwork bool
	// Timeout of one evaluation of one policy on one object; DefaultTimeout when zero.
	Timeout time.Duration
	// Compliance makes Judge return results of status compliance too.
	Compliance bool
	// Now tells the time by which exceptions expire; time.Now when nil.
	Now func() time.Time
	// Observer sees every evaluation; may be nil.
	Observer Observer
	// Guard stops evaluations when memory runs out; may be nil.
	Guard *Guard
	// Previous is a snapshot whose compiled policies are used again where they have not changed; may be nil.
	Previous *Snapshot
}

// DefaultTimeout of one evaluation of one policy on one object.
const DefaultTimeout = time.Second

// Problem is what is wrong with a source. The other sources are not affected.
type Problem struct {
	// Source is the *v2.Policy, *v2.PolicySet, *v2.PolicyConfig or *v2.PolicyException that it is about.
	Source any
	// Field of the source, such as spec.code or spec.config["weave.policies.x"].parameters.y; may be empty.
	Field string
	// Line and Column within the text of the field, counted from 1; zero when unknown.
	Line, Column int
	Message      string
	Hint         string
	// Excerpt is the offending line with a caret line below it; may be empty.
	Excerpt string
	// LeftOut says that the source plays no part in the snapshot because of the problem.
	LeftOut bool
	// Other is the source that this one clashes with; nil where the problem is its own.
	Other any
}

// Verdict is what came of judging one object.
type Verdict struct {
	// Results of the policies that apply to the object and did not find it compliant (or of all, with
	// Options.Compliance), sorted by policy id.
	Results []policy.Result
	// Evaluated is how many policies apply to the object.
	Evaluated int
	// Err is the context's error when it ended before all policies were evaluated; Results are then those until then.
	Err error
}
