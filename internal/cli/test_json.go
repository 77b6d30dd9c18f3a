package cli

import "github.com/assay-gitops/assay/internal/policytest"

// testsDocument is what `assay test -o json` prints. Durations are in milliseconds.
type testsDocument struct {
	Summary  testsSummary   `json:"summary"`
	Policies []testedPolicy `json:"policies"`
}

type testsSummary struct {
	Passed     int   `json:"passed"`
	Failed     int   `json:"failed"`
	Skipped    int   `json:"skipped"`
	DurationMS int64 `json:"duration_ms"`
}

type testedPolicy struct {
	ID         string          `json:"id"`
	File       string          `json:"file"`
	Problems   []string        `json:"problems,omitempty"`
	Cases      []testedCase    `json:"cases"`
	Coverage   *testedCoverage `json:"coverage,omitempty"`
	DurationMS int64           `json:"duration_ms"`
}

type testedCase struct {
	Name    string `json:"name"`
	Kind    string `json:"kind,omitempty"`
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`
	Status  string `json:"status"`
	Failure string `json:"failure,omitempty"`
}

type testedCoverage struct {
	Percent       float64  `json:"percent"`
	Covered       int      `json:"covered"`
	Total         int      `json:"total"`
	Missing       []string `json:"missing,omitempty"`
	UntestedKinds []string `json:"untested_kinds,omitempty"`
}

func testDocument(summary *policytest.Summary) testsDocument {
	counts := summary.Counts()
	document := testsDocument{
		Summary: testsSummary{
			Passed: counts.Passed, Failed: counts.Failed, Skipped: counts.Skipped,
			DurationMS: summary.Duration.Milliseconds(),
		},
		Policies: []testedPolicy{},
	}
	for i := range summary.Policies {
		p := &summary.Policies[i]
		tested := testedPolicy{
			ID: p.Policy.Spec.ID, File: p.File, Problems: p.Problems, Cases: []testedCase{},
			DurationMS: p.Duration.Milliseconds(),
		}
		for _, c := range p.Cases {
			tested.Cases = append(tested.Cases, testedCase{c.Name, c.Kind, c.File, c.Line, string(c.Status), c.Failure})
		}
		if c := p.Coverage; c != nil {
			tested.Coverage = &testedCoverage{c.Percent(), c.Covered, c.Total, c.Missing, c.UntestedKinds}
		}
		document.Policies = append(document.Policies, tested)
	}
	return document
}
