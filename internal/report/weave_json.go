package report

import (
	"io"

	v2 "github.com/assay-gitops/assay/api/v2"
)

// weaveJSON is what the Weave policy validator wrote for --json, for those who read it: the same keys in the same case.
// Other than there, the message is the occurrence's own, how_to_solve is filled and paths are relative.
type weaveJSON struct{}

type weaveItem struct {
	ID       string        `json:"id"`
	Message  string        `json:"message"`
	Policy   weavePolicy   `json:"policy"`
	Entity   weaveEntity   `json:"entity"`
	Location weaveLocation `json:"location"`
}

type weavePolicy struct {
	ID          string      `json:"id"`
	Name        string      `json:"name"`
	Severity    v2.Severity `json:"severity"`
	Category    string      `json:"category"`
	Description string      `json:"description"`
	HowToSolve  string      `json:"how_to_solve"`
}

type weaveEntity struct{ Name, Namespace, Kind string }

type weaveLocation struct {
	Path      string `json:"path"`
	StartLine int    `json:"start_line"`
	EndLine   int    `json:"end_line"`
}

// Write writes the report.
func (weaveJSON) Write(w io.Writer, r *Report) error {
	violations := 0
	for i := range r.Findings {
		if standing(&r.Findings[i]) != "excepted" {
			violations++
		}
	}
	out := newJSONStream(w)
	out.open("{")
	out.field("scanned", r.Objects)
	out.field("violations", violations)
	out.field("remediated", 0)
	out.list("items", len(r.Findings), func(i int) any { return weaveFinding(&r.Findings[i]) })
	out.field("pull_request", "")
	out.close("}")
	return out.flush()
}

// weaveFinding is nil for what is excepted, which the format does not know.
func weaveFinding(f *Finding) any {
	if standing(f) == "excepted" {
		return nil
	}
	spec, o := &f.Result.Policy.Spec, f.Result.Object
	return weaveItem{
		ID: f.Fingerprint, Message: f.Occurrence.Message,
		Policy:   weavePolicy{spec.ID, spec.Name, spec.Severity, spec.Category, spec.Description, spec.HowToSolve},
		Entity:   weaveEntity{o.Name(), o.Namespace(), o.Kind()},
		Location: weaveLocation{f.Location.File, startLine(f.Location), endLine(f.Location)},
	}
}
