package sink

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/assay-gitops/assay/internal/journal"
	"github.com/assay-gitops/assay/internal/weave"
	"github.com/assay-gitops/assay/policy"
)

// Gate is what judged.
type Gate string

// The gates that write to the journal.
const (
	Admission Gate = "admission"
	Audit     Gate = "audit"
	Terraform Gate = "terraform"
)

// Life is what became of a finding, at gates that know: audit.
type Life string

// The stages of a finding.
const (
	Opened    Life = "opened"
	Unchanged Life = "unchanged"
	// Changed: the finding is open as before, and what it says is different.
	Changed  Life = "changed"
	Resolved Life = "resolved"
)

// resultVersion grows when a field of Result changes its meaning. New fields do not need it.
const resultVersion = 1

// Result is one result as it is in the journal, and all that any sink needs to know. It is sent to others as it is, so its
// JSON is an interface.
type Result struct {
	Version int  `json:"version"`
	Gate    Gate `json:"gate"`
	// Operation of the request at admission, such as CREATE.
	Operation policy.Operation `json:"operation,omitempty"`
	// User who sent the request, at admission.
	User string `json:"user,omitempty"`
	// Validation is the document that the Weave Policy Agent would have sent. Its ID is the result's. The values of Secrets are
	// masked in it.
	Validation weave.PolicyValidation `json:"validation"`
	// App is the Flux object that applies the object.
	App *App `json:"app,omitempty"`
	// Workspace is the tenant that the object's namespace belongs to.
	Workspace string `json:"workspace,omitempty"`
	Life      Life   `json:"life,omitempty"`
	// Resolution says why a finding is resolved, such as "object deleted".
	Resolution string `json:"resolution,omitempty"`
	// Pass is the id of the full audit that the result belongs to.
	Pass string `json:"pass,omitempty"`
	// Exception is what accepts the violation.
	Exception *Exception `json:"exception,omitempty"`
}

// App is a Kustomization or HelmRelease.
type App struct {
	Kind      string `json:"kind"`
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
	// Revision is the source revision that Flux applied, such as main@sha1:…; empty when it is not known.
	Revision string `json:"revision,omitempty"`
}

// Exception is a PolicyException.
type Exception struct {
	Name    string     `json:"name"`
	Reason  string     `json:"reason"`
	Expires *time.Time `json:"expires,omitempty"`
}

// Meta is what a policy.Result does not say of itself.
type Meta struct {
	weave.Meta
	Gate      Gate
	Operation policy.Operation
	User      string
	Workspace string
	// Revision of the Flux object that applies the object.
	Revision   string
	Life       Life
	Resolution string
	Pass       string
}

// New makes the result, with a new ID. It shares maps and lists with what it is made from.
func New(from policy.Result, meta Meta) Result {
	r := Result{
		Version: resultVersion, Gate: meta.Gate, Operation: meta.Operation, User: meta.User, Validation: weave.From(from, meta.Meta),
		Workspace: meta.Workspace, Life: meta.Life, Resolution: meta.Resolution, Pass: meta.Pass,
	}
	if app, ok := from.Object.App(); ok {
		r.App = &App{app.Kind, app.Name, app.Namespace, meta.Revision}
	}
	if e := from.Exception; e != nil {
		r.Exception = &Exception{Name: e.Name, Reason: e.Spec.Reason}
		if e.Spec.Expires != nil {
			expires := e.Spec.Expires.UTC()
			r.Exception.Expires = &expires
		}
	}
	return r
}

// Record is the result as the journal keeps it.
func (r *Result) Record() (journal.Record, error) {
	payload, err := json.Marshal(r)
	if err != nil {
		return journal.Record{}, fmt.Errorf("encoding the result %s of policy %s: %w", r.Validation.ID, r.Validation.Policy.ID, err)
	}
	return journal.Record{ID: r.Validation.ID, Time: r.Validation.CreatedAt, Payload: payload}, nil
}

// Decode reads a result from the journal. Numbers in what is of any type, such as manifests, are json.Number, so that they stay
// exact.
func Decode(record journal.Record) (*Result, error) {
	var r Result
	decoder := json.NewDecoder(bytes.NewReader(record.Payload))
	decoder.UseNumber()
	if err := decoder.Decode(&r); err != nil {
		return nil, fmt.Errorf("decoding the result %s: %w", record.ID, err)
	}
	if r.Version < 1 || r.Version > resultVersion {
		return nil, fmt.Errorf("decoding the result %s: it has version %d, this version of Assay knows 1 to %d", record.ID, r.Version, resultVersion)
	}
	return &r, nil
}
