package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/internal/report"
	"github.com/assay-gitops/assay/policy"
)

// mergeFindings sorts the findings and makes one of those that say the same about several objects at the same place, as
// when two overlays build one base. What a policy says twice about one object stays two findings.
func mergeFindings(findings []report.Finding) []report.Finding {
	slices.SortStableFunc(findings, compareFindings)
	merged := findings[:0]
	for _, finding := range findings {
		if earlier := sharing(merged, &finding); earlier != nil {
			earlier.Also = append(earlier.Also, finding.Result.Object)
			continue
		}
		merged = append(merged, finding)
	}
	clear(findings[len(merged):])
	return merged
}

// sharing returns the one of the last sorted findings that the finding can join; nil when there is none.
func sharing(sorted []report.Finding, finding *report.Finding) *report.Finding {
	var found *report.Finding
	for i := len(sorted) - 1; i >= 0 && samePlace(&sorted[i], finding); i-- {
		object := finding.Result.Object
		if sorted[i].Result.Object != object && !slices.Contains(sorted[i].Also, object) {
			found = &sorted[i]
		}
	}
	return found
}

func compareFindings(a, b report.Finding) int {
	return cmp.Or(
		compareLocations(a.Location, b.Location),
		strings.Compare(a.Result.Policy.Spec.ID, b.Result.Policy.Spec.ID),
		strings.Compare(a.Occurrence.Path, b.Occurrence.Path),
		strings.Compare(a.Occurrence.Message, b.Occurrence.Message),
		strings.Compare(string(a.Result.Status), string(b.Result.Status)),
		strings.Compare(a.Result.Object.Namespace(), b.Result.Object.Namespace()),
		strings.Compare(a.Result.Object.Kind(), b.Result.Object.Kind()),
		strings.Compare(a.Result.Object.Name(), b.Result.Object.Name()),
	)
}

func compareLocations(a, b policy.Location) int {
	return cmp.Or(
		strings.Compare(a.File, b.File),
		cmp.Compare(a.Line, b.Line),
		cmp.Compare(a.Column, b.Column),
	)
}

// samePlace tells whether two findings are one to the person who edits the file.
func samePlace(a, b *report.Finding) bool {
	return a.Location.File != "" && a.Location.Line > 0 && compareLocations(a.Location, b.Location) == 0 &&
		a.Result.Policy == b.Result.Policy && a.Result.Status == b.Result.Status && a.Fails == b.Fails &&
		a.Occurrence.Path == b.Occurrence.Path && a.Occurrence.Message == b.Occurrence.Message
}

// maxFailures bounds the ways to fail that are told apart; messages may name what is different in every object.
const maxFailures = 1000

// Failures makes one problem of each way in which a policy failed, at the first object that it failed on.
type Failures struct {
	problems []policy.Problem
	counts   []int
	index    map[wayToFail]int
	// rest counts those beyond maxFailures.
	rest int
}

type wayToFail struct{ policy, message string }

// Add counts failures.
func (f *Failures) Add(failures ...Failure) {
	for _, failure := range failures {
		way := wayToFail{message: failure.err.Error()}
		if failure.policy != nil {
			way.policy = failure.policy.Spec.ID
		}
		at, known := f.index[way]
		switch {
		case known:
			f.counts[at]++
		case len(f.problems) == maxFailures:
			f.rest++
		default:
			if f.index == nil {
				f.index = map[wayToFail]int{}
			}
			f.index[way] = len(f.problems)
			f.problems, f.counts = append(f.problems, failureProblem(failure)), append(f.counts, 1)
		}
	}
}

// Problems are the ways, in the order in which they were met.
func (f *Failures) Problems() []policy.Problem {
	problems := slices.Clone(f.problems)
	for i, count := range f.counts {
		if count > 1 {
			problems[i].Message += fmt.Sprintf(" (and on %s)", more(count-1))
		}
	}
	if f.rest > 0 {
		problems = append(problems, policy.Problem{Kind: policy.EvaluationProblem, Message: fmt.Sprintf("policies could not be evaluated in more ways than these: %d times", f.rest)})
	}
	return problems
}

// Settle sorts what a report holds, and makes one of what says the same.
func Settle(r *report.Report) {
	r.Findings = mergeFindings(r.Findings)
	r.Problems = sortProblems(r.Problems)
}

func failureProblem(f Failure) policy.Problem {
	p := policy.Problem{Kind: policy.EvaluationProblem, Location: place(f.object)}
	if f.policy == nil {
		p.Message = fmt.Sprintf("%s could not be judged: %v", f.object, f.err)
		return p
	}
	p.Message = fmt.Sprintf("policy %s could not be evaluated on %s: %v", f.policy.Spec.ID, f.object, f.err)
	p.Warning = f.policy.Spec.FailurePolicy == v2.FailurePolicyIgnore
	p.Hint = fmt.Sprintf("`assay explain %s -o code` shows the rule", f.policy.Spec.ID)
	return p
}

// sortProblems sorts the problems and drops those that were met twice, as in a folder that is checked and holds the
// policies too.
func sortProblems(problems []policy.Problem) []policy.Problem {
	slices.SortStableFunc(problems, func(a, b policy.Problem) int {
		return cmp.Or(
			compareLocations(a.Location, b.Location),
			strings.Compare(string(a.Kind), string(b.Kind)),
			strings.Compare(a.Message, b.Message),
		)
	})
	return slices.CompactFunc(problems, func(a, b policy.Problem) bool {
		return a.Kind == b.Kind && a.Message == b.Message && compareLocations(a.Location, b.Location) == 0
	})
}

func more(objects int) string {
	if objects == 1 {
		return "1 more object"
	}
	return fmt.Sprintf("%d more objects", objects)
}
