package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/internal/gate/survey"
	"github.com/assay-gitops/assay/internal/hub/auth"
	"github.com/assay-gitops/assay/internal/hub/impact"
	"github.com/assay-gitops/assay/internal/hub/store"
	"github.com/assay-gitops/assay/internal/words"
	"github.com/assay-gitops/assay/policy"
)

const (
	impactPath = "/v1/impact"
	// maxImpactBody bounds what would change: some hundred policies.
	maxImpactBody = 2 << 20
	// maxImpacts is how many differences of each kind are shown.
	maxImpacts = 1000
	// impactWait is how long a question waits for its turn. Answering one takes all processors.
	impactWait = 5 * time.Second
)

// Impacts tells what a change of policies would do.
type Impacts interface {
	Impact(ctx context.Context, change impact.Change) (*survey.Impact, error)
}

// ImpactQuestion is a change of policies.
type ImpactQuestion struct {
	Objects    []map[string]any `json:"objects,omitempty" maxItems:"1000" doc:"Policies, PolicySets, PolicyConfigs and PolicyExceptions as they would be: each takes the place of the one of its kind and name."`
	Without    []string         `json:"without,omitempty" maxItems:"1000" pattern:"^[^/]+/." doc:"What would be gone, as KIND/NAME." example:"[\"PolicyException/legacy\"]"`
	Namespaces []string         `json:"namespaces,omitempty" maxItems:"100" doc:"Where to look; everywhere when there are none."`
	Mode       string           `json:"mode,omitempty" enum:"admission,audit" doc:"By policies that act in this mode: admission when it is not given."`
	Days       wholeNumber      `json:"days,omitempty" minimum:"0" maximum:"90" doc:"Judge what was refused or warned about at admission in these last days as well; nothing of it when it is 0. What admission let pass the hub does not know."`
	_          struct{}         `additionalProperties:"false"`
}

// ImpactChange is an object that would stand otherwise with a policy.
type ImpactChange struct {
	Policy   string   `json:"policy" doc:"Its id."`
	Severity string   `json:"severity" enum:"low,medium,high"`
	Object   Object   `json:"object"`
	Before   string   `json:"before" enum:"complies,excepted,warned,refused"`
	After    string   `json:"after" enum:"complies,excepted,warned,refused" doc:"refused is what its next change would be; what runs is not stopped."`
	Messages []string `json:"messages" nullable:"false" doc:"What is wrong with it."`
	// At is a pointer so that it can be left out.
	At *time.Time `json:"at,omitempty" doc:"When it was sent to admission; not there for what the cluster runs."`
}

// Impact is what a change of policies would do to what the hub's cluster runs.
type Impact struct {
	Objects int            `json:"objects" doc:"How many were judged that the cluster runs."`
	Past    int            `json:"past" doc:"How many were judged that had been sent to admission."`
	Worse   []ImpactChange `json:"worse" nullable:"false" doc:"Those that would stand worse, of what you may see."`
	Better  []ImpactChange `json:"better" nullable:"false"`
	LeftOut int            `json:"leftOut" doc:"How many more differences there are."`
	Errors  []ListError    `json:"errors" nullable:"false" doc:"Why something was not compared."`
}

type (
	impactInput  struct{ Body ImpactQuestion }
	impactOutput struct{ Body Impact }
)

func (s *service) registerImpact() {
	huma.Register(s.api, s.forReadersOf(auth.Policies, auth.List, huma.Operation{
		OperationID: "ask-impact", Method: http.MethodPost, Path: impactPath, Tags: []string{"Policies"},
		Summary: "Tells what a change of policies would do",
		Description: "To what the hub's own cluster runs, and what was sent to its admission: each object is judged by the policies as they are and as they would be. Nothing is changed. It needs the rights to list " +
			"policies and violations, and the hub the right to list what policies target.",
		MaxBodyBytes: maxImpactBody, Errors: []int{http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType},
	}), s.askImpact)
}

func (s *service) askImpact(ctx context.Context, in *impactInput) (*impactOutput, error) {
	scope, ok := s.alsoSees(ctx, auth.Violations)
	if !ok {
		return nil, huma.Error403Forbidden("an impact is made of violations: it needs the right to list them as well")
	}
	change, err := in.Body.change()
	if err != nil {
		return nil, err
	}
	wait, cancel := context.WithTimeout(ctx, impactWait)
	defer cancel()
	select {
	case s.impacts <- struct{}{}:
	case <-wait.Done():
		return nil, after(huma.Error503ServiceUnavailable("another impact is being found out: try again in a moment"), busyFor)
	}
	defer func() { <-s.impacts }()
	if in.Body.Days > 0 {
		change.Past = s.past(scope, s.now().AddDate(0, 0, -int(in.Body.Days)), in.Body.Namespaces)
	}
	found, err := s.impact.Impact(ctx, change)
	var unknown *survey.UnknownRefError
	switch {
	case errors.As(err, &unknown):
		return nil, huma.Error422UnprocessableEntity(words.OneLine(unknown.Error(), maxFault))
	case err != nil && ctx.Err() != nil:
		return nil, s.problem(ctx, "finding out an impact", ctx.Err())
	case err != nil:
		s.logger.ErrorContext(ctx, "the hub's cluster could not be read", "doing", "finding out an impact", "error", err, "request", requestID(ctx))
		return nil, s.unreadable()
	}
	return &impactOutput{Body: s.shownImpact(found, scope)}, nil
}

// change is what the question means. The error is a problem.
func (q *ImpactQuestion) change() (impact.Change, error) {
	change := impact.Change{Mode: v2.ModeAdmission, Namespaces: q.Namespaces}
	if q.Mode != "" {
		change.Mode = v2.Mode(q.Mode)
	}
	if len(q.Objects) == 0 && len(q.Without) == 0 {
		return change, huma.Error422UnprocessableEntity("say what would change: give objects or without")
	}
	var faults []error
	for i, raw := range q.Objects {
		content, err := exact(raw)
		if err != nil {
			faults = append(faults, &huma.ErrorDetail{Location: fmt.Sprintf("body.objects[%d]", i), Message: err.Error()})
			continue
		}
		o := &policy.Object{Content: content, Origin: asked(i)}
		if o.Group() != v2.Group || o.Name() == "" {
			faults = append(faults, &huma.ErrorDetail{Location: fmt.Sprintf("body.objects[%d]", i), Message: "it is no object of " + v2.Group + " with a kind and a name"})
			continue
		}
		change.Objects = append(change.Objects, o)
	}
	for i, gone := range q.Without {
		kind, name, ok := strings.Cut(gone, "/")
		if !ok || kind == "" || name == "" {
			faults = append(faults, &huma.ErrorDetail{Location: fmt.Sprintf("body.without[%d]", i), Message: "it is not KIND/NAME"})
			continue
		}
		change.Without = append(change.Without, survey.Ref{Kind: kind, Name: name})
	}
	if faults != nil {
		return change, huma.Error422UnprocessableEntity("the change cannot be understood", faults[:min(len(faults), 10)]...)
	}
	return change, nil
}

// exact is an object with its whole numbers as such.
func exact(raw map[string]any) (map[string]any, error) {
	text, err := json.Marshal(raw)
	if err != nil {
		return nil, fmt.Errorf("reading the object: %w", err)
	}
	var content map[string]any
	if err := utiljson.Unmarshal(text, &content); err != nil {
		return nil, fmt.Errorf("reading the object: %w", err)
	}
	return content, nil
}

func (s *service) shownImpact(found *survey.Impact, scope store.Scope) Impact {
	shown := Impact{Objects: found.Objects, Past: found.Past, Worse: []ImpactChange{}, Better: []ImpactChange{}, Errors: []ListError{}}
	for i := range found.Changes {
		c := &found.Changes[i]
		if !scope.All && !slices.Contains(scope.Namespaces[s.live.Name], c.Object.Namespace()) {
			continue
		}
		into := &shown.Better
		if c.Worse() {
			into = &shown.Worse
		}
		if len(*into) == maxImpacts {
			shown.LeftOut++
			continue
		}
		change := ImpactChange{
			Policy: c.Policy.Spec.ID, Severity: string(c.Policy.Spec.Severity), Before: string(c.Before), After: string(c.After), Messages: []string{},
			Object: Object{c.Object.APIVersion(), c.Object.Kind(), c.Object.Namespace(), c.Object.Name()}, At: orNone(c.At),
		}
		for _, o := range c.Occurrences {
			change.Messages = append(change.Messages, o.Message)
		}
		*into = append(*into, change)
	}
	for i := range found.Problems {
		shown.Errors = append(shown.Errors, ListError{s.live.Name, words.OneLine(found.Problems[i].Message, maxFault)})
		if i == 100 {
			break
		}
	}
	return shown
}

// asked is where an object of a question is.
type asked int

// Root is the object itself.
func (a asked) Root() string { return fmt.Sprintf("objects[%d]", int(a)) }

// Object has no line.
func (a asked) Object() policy.Location { return policy.Location{File: a.Root()} }

// Field is in the object.
func (a asked) Field(policy.Path) []policy.Location { return []policy.Location{a.Object()} }
