package report

import (
	"time"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/policy"
)

// Report is everything one run found. Its slices are sorted and stay in this order in every format.
type Report struct {
	// Version of Assay that made the report.
	Version string
	// Root is the absolute folder that all paths in the report are relative to. Formats read source lines below it for
	// code frames; no format prints it.
	Root string
	// Started is when the run began, Duration how long it took.
	Started  time.Time
	Duration time.Duration
	// Objects is how many objects were judged, Files how many files were read, Evaluations how many times a policy was
	// evaluated on an object.
	Objects, Files, Evaluations int
	// Policies are those that could act, sorted by id.
	Policies []*v2.Policy
	// Findings are violations, enforced or not, excepted or not, sorted by file, line, column, policy, path and message.
	Findings []Finding
	// Problems are why something was not judged, sorted by file and line. Any problem that is not merely a warning means
	// that the run could not do all its work.
	Problems []policy.Problem
	// FailOn is the least severity that fails the run; "" when none does.
	FailOn v2.Severity
}

// Finding is one occurrence of a violation at its place.
type Finding struct {
	// Result holds policy, object, status (violation or excepted), parameters. It is shared by all its occurrences.
	Result     *policy.Result
	Occurrence policy.Occurrence
	// Location is where a person must edit; Related are the places that lead there, nearest first.
	Location policy.Location
	Related  []policy.Location
	// Also are further objects with this very finding at this very place, as when two overlays build one base. Sorted as
	// Report.Findings would be; empty for most.
	Also []*policy.Object
	// Fingerprint stays the same as long as policy, object, path and message do, wherever the lines move. 32 hexadecimal digits.
	Fingerprint string
	// Fails says that this finding makes the run fail: it is enforced, not excepted and severe enough.
	Fails bool
}

// Failed tells whether a finding makes the run fail.
func (r *Report) Failed() bool {
	for i := range r.Findings {
		if r.Findings[i].Fails {
			return true
		}
	}
	return false
}

// Incomplete tells whether something was not judged.
func (r *Report) Incomplete() bool {
	for i := range r.Problems {
		if !r.Problems[i].Warning {
			return true
		}
	}
	return false
}

// ExitCode is 2 when the run could not do all its work, else 1 when a finding fails the run, else 0.
func (r *Report) ExitCode() int {
	switch {
	case r.Incomplete():
		return 2
	case r.Failed():
		return 1
	}
	return 0
}
