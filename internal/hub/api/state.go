package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"k8s.io/apimachinery/pkg/runtime/schema"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/internal/gate/audit"
	"github.com/assay-gitops/assay/internal/hub/state"
	"github.com/assay-gitops/assay/internal/hub/store"
	"github.com/assay-gitops/assay/internal/words"
)

// StateTaken is the answer to an agent.
type StateTaken struct {
	Changed int `json:"changed" doc:"How many versions of objects began or ended."`
}

type stateOutput struct{ Body StateTaken }

func (s *service) registerState() {
	schema := s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[state.State](), true, "")
	huma.Register(s.api, s.forAgents(huma.Operation{
		OperationID: "send-state", Method: http.MethodPost, Path: state.Path, Tags: []string{"Agents"},
		Summary: "Takes what a cluster is judged by",
		Description: fmt.Sprintf("All of it, whenever it changes: what is not among it any more is gone, and each version is kept with the time in which the cluster had it. "+
			"With it come the last full audits. At most %d MiB of JSON, which may be compressed with gzip or zstd. What comes late changes nothing.", MaxBody>>20),
		Errors: []int{http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity, http.StatusNotImplemented},
	}), s.takeState)
	s.api.OpenAPI().Paths[state.Path].Post.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/json": {Schema: schema}}}
}

func (s *service) takeState(ctx context.Context, in *intakeInput) (*stateOutput, error) {
	cluster, _ := ctx.Value(clusterKey).(string)
	var told state.State
	err := s.readBody(ctx, in, func(body *limitedReader) error {
		err := decodeState(body, &told)
		if body.failed != nil {
			return body.problem("the state of a cluster", "")
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if told.Cluster != "" && told.Cluster != cluster {
		return nil, wrongCluster(cluster)
	}
	declared, err := declaredOf(&told, s.now())
	if err != nil {
		return nil, huma.Error422UnprocessableEntity("nothing was taken: " + words.OneLine(err.Error(), maxFault))
	}
	for i := range told.Audits {
		pass, err := passOf(&told.Audits[i])
		if err == nil {
			err = s.store.AddPass(ctx, cluster, pass)
		}
		if errors.Is(err, store.ErrInvalid) {
			return nil, huma.Error422UnprocessableEntity(fmt.Sprintf("audits[%d]: %s", i, words.OneLine(err.Error(), maxFault)))
		}
		if err != nil {
			return nil, s.problem(ctx, "keeping an audit of cluster "+cluster, err)
		}
	}
	changed, err := s.store.Declare(ctx, cluster, told.At, declared)
	if errors.Is(err, store.ErrInvalid) {
		return nil, huma.Error422UnprocessableEntity(words.OneLine(err.Error(), maxFault))
	}
	if err != nil {
		return nil, s.problem(ctx, "keeping what cluster "+cluster+" is judged by", err)
	}
	return &stateOutput{Body: StateTaken{changed}}, nil
}

// decodeState reads a state. The error is a problem.
func decodeState(body io.Reader, told *state.State) error {
	decoder := json.NewDecoder(body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(told); err != nil {
		return huma.Error400BadRequest("the body is not the state of a cluster: " + words.OneLine(err.Error(), maxFault))
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return huma.Error400BadRequest("there is more after the state of a cluster")
	}
	switch {
	case told.Version > state.Version:
		return huma.Error501NotImplemented(fmt.Sprintf("the agent is newer than the hub, which must be upgraded first: the state has version %d, and the hub knows %d", told.Version, state.Version))
	case told.Version < 1:
		return huma.Error400BadRequest("the state of a cluster has no version")
	case len(told.Audits) > state.MaxAudits:
		return huma.Error422UnprocessableEntity(fmt.Sprintf("%d audits are more than %d", len(told.Audits), state.MaxAudits))
	}
	return nil
}

// declaredOf is what the store keeps of the objects.
func declaredOf(told *state.State, now time.Time) ([]store.Declared, error) {
	if told.At.After(now.Add(maxAhead)) {
		return nil, fmt.Errorf("at is %s, and the hub's clock says %s", told.At.Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	all := make([]store.Declared, 0, len(told.Objects))
	for i := range told.Objects {
		o := &told.Objects[i]
		group, err := schema.ParseGroupVersion(o.APIVersion)
		if err != nil || group.Group != v2.Group {
			return nil, fmt.Errorf("objects[%d] is of %q, and not of group %s", i, o.APIVersion, v2.Group)
		}
		if len(o.Metadata.Name) > maxName {
			return nil, fmt.Errorf("the name of objects[%d] is longer than %d bytes", i, maxName)
		}
		version, err := versionOf(o)
		if err != nil {
			return nil, fmt.Errorf("objects[%d]: %w", i, err)
		}
		text, err := json.Marshal(o)
		if err != nil {
			return nil, fmt.Errorf("objects[%d]: %w", i, err)
		}
		all = append(all, store.Declared{Kind: o.Kind, Name: o.Metadata.Name, Version: version, Object: text})
	}
	return all, nil
}

// versionOf is another one when the object is another or says something else. What the API server counts does not tell: a label changes no
// generation.
func versionOf(o *state.Object) (string, error) {
	text, err := json.Marshal([]any{o.APIVersion, o.Metadata.UID, o.Metadata.Labels, o.Metadata.Annotations, o.Spec})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16]), nil
}

// passOf is what the store keeps of an audit.
func passOf(p *audit.Pass) (*store.Pass, error) {
	detail, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", store.ErrInvalid, err)
	}
	return &store.Pass{
		ID: p.ID, Trigger: p.Trigger, Request: p.Request, Start: p.Start.UTC(), End: p.End.UTC(), Failures: len(p.Errors) + p.MoreErrors, Detail: detail,
	}, nil
}
