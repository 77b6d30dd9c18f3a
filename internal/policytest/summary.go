package policytest

import (
	"time"

	v2 "github.com/assay-gitops/assay/api/v2"
)

// Summary is what came of a run.
type Summary struct {
	// Policies in the order of their files.
	Policies []PolicyResult
	// Duration of the whole run.
	Duration time.Duration
}

// PolicyResult is what came of the tests of one policy.
type PolicyResult struct {
	Policy *v2.Policy
	// File that holds the policy and Folder it is in, as the caller named them.
	File, Folder string
	// Problems are why tests could not be run: the policy does not compile, a test file cannot be read. Each begins with
	// file and line where they are known.
	Problems []string
	// Cases in the order of their files.
	Cases []CaseResult
	// Coverage is nil unless it was asked for and the policy compiles.
	Coverage *Coverage
	Duration time.Duration
}

// Status says what came of a case.
type Status string

// The statuses.
const (
	Passed Status = "passed"
	Failed Status = "failed"
	// Skipped: a Rego test whose name begins with todo_.
	Skipped Status = "skipped"
)

// CaseResult is what came of one case, on one kind of object where the case is tried on several.
type CaseResult struct {
	// Name is what the case says it is about; for a test in Rego, the name of its rule.
	Name string
	// Kind of the object that was judged; empty for a test in Rego.
	Kind string
	// File and Line where the case is written.
	File string
	Line int
	Status
	// Failure tells what differs, in one line or several; empty unless the case failed.
	Failure  string
	Duration time.Duration
}

// Counts are numbers of cases.
type Counts struct{ Passed, Failed, Skipped int }

// Counts of the policy's cases.
func (r *PolicyResult) Counts() Counts {
	var n Counts
	for i := range r.Cases {
		switch r.Cases[i].Status {
		case Passed:
			n.Passed++
		case Failed:
			n.Failed++
		case Skipped:
			n.Skipped++
		}
	}
	return n
}

// Failed tells whether any case failed.
func (r *PolicyResult) Failed() bool { return r.Counts().Failed > 0 }

// Counts of all cases.
func (s *Summary) Counts() Counts {
	var all Counts
	for i := range s.Policies {
		n := s.Policies[i].Counts()
		all.Passed += n.Passed
		all.Failed += n.Failed
		all.Skipped += n.Skipped
	}
	return all
}

// Failed tells whether any case failed.
func (s *Summary) Failed() bool { return s.Counts().Failed > 0 }

// Incomplete tells whether some tests could not be run.
func (s *Summary) Incomplete() bool {
	for i := range s.Policies {
		if len(s.Policies[i].Problems) > 0 {
			return true
		}
	}
	return false
}

// ExitCode is 2 when some tests could not be run, else 1 when one failed, else 0.
func (s *Summary) ExitCode() int {
	switch {
	case s.Incomplete():
		return 2
	case s.Failed():
		return 1
	}
	return 0
}
