package api

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/assay-gitops/assay/internal/hub/auth"
	"github.com/assay-gitops/assay/internal/hub/state"
	"github.com/assay-gitops/assay/internal/hub/store"
)

const versionsPath = "/v1/policy-versions"

// PolicyVersion is a policy, or what goes with policies, as a cluster had it for a time.
type PolicyVersion struct {
	ID          string     `json:"id"`
	ClusterName string     `json:"clusterName"`
	Kind        string     `json:"kind" enum:"Policy,PolicySet,PolicyConfig,PolicyException"`
	Name        string     `json:"name" doc:"Of the object."`
	From        time.Time  `json:"from" doc:"When the agent told of it first."`
	To          *time.Time `json:"to,omitempty" doc:"When the agent told that it was gone or another; not there while the cluster has it."`
}

// PolicyVersions is a page of them.
type PolicyVersions struct {
	Items []PolicyVersion `json:"items" nullable:"false" doc:"Those that began last first."`
	Next  string          `json:"next,omitempty" doc:"The cursor of the next page; not there on the last one."`
}

// OnePolicyVersion is a version with its object.
type OnePolicyVersion struct {
	PolicyVersion
	Object map[string]any `json:"object" doc:"As the API server had it, with the status that the agent told last."`
}

type versionsInput struct {
	Cluster []string  `query:"cluster,explode" maxItems:"100" doc:"Clusters."`
	Kind    []string  `query:"kind,explode" maxItems:"100" enum:"Policy,PolicySet,PolicyConfig,PolicyException" doc:"Kinds."`
	Name    []string  `query:"name,explode" maxItems:"100" doc:"Names of objects."`
	Since   time.Time `query:"since" doc:"Those that a cluster had at this time or later." example:"2026-11-01T00:00:00Z"`
	Until   time.Time `query:"until" doc:"Those that a cluster had before this time." example:"2026-12-01T00:00:00Z"`
	Limit   int       `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"How many at most."`
	Cursor  string    `query:"cursor" maxLength:"2000" doc:"next of the page before. Filters must be the same."`
}

type versionInput struct {
	ID string `path:"id" maxLength:"200" doc:"The version's id."`
}

type (
	versionsOutput struct{ Body PolicyVersions }
	versionOutput  struct{ Body OnePolicyVersion }
)

func (s *service) registerVersions() {
	huma.Register(s.api, s.forReadersOf(auth.Policies, auth.List, reading("list-policy-versions", versionsPath, "Policies", "Lists what clusters were judged by",
		"Policies, and of PolicySets, PolicyConfigs and PolicyExceptions those that you may list, with the time in which a cluster had them.")), s.listVersions)
	one := reading("get-policy-version", versionsPath+"/{id}", "Policies", "Shows a policy as it was", "Or what goes with policies, which needs the right to get it.")
	huma.Register(s.api, s.forReadersOf(auth.Policies, auth.Get, one), s.oneVersion)
}

// resourceOf a kind.
func resourceOf(kind string) auth.Resource {
	switch kind {
	case state.Set:
		return auth.PolicySets
	case state.Config:
		return auth.PolicyConfigs
	case state.Exception:
		return auth.PolicyExceptions
	}
	return auth.Policies
}

func (s *service) listVersions(ctx context.Context, in *versionsInput) (*versionsOutput, error) {
	query := store.VersionQuery{Clusters: in.Cluster, Names: in.Name, Since: in.Since, Until: in.Until}
	for _, kind := range []string{state.Policy, state.Set, state.Config, state.Exception} {
		if len(in.Kind) > 0 && !slices.Contains(in.Kind, kind) {
			continue
		}
		if _, ok := s.alsoSees(ctx, resourceOf(kind)); ok {
			query.Kinds = append(query.Kinds, kind)
		}
	}
	out := &versionsOutput{Body: PolicyVersions{Items: []PolicyVersion{}}}
	if len(query.Kinds) == 0 { // none would be all
		return out, nil
	}
	found, err := s.store.Versions(ctx, query, in.Limit, in.Cursor)
	if err != nil {
		return nil, s.problem(ctx, "listing versions of policies", err)
	}
	out.Body.Next = found.Next
	for i := range found.Items {
		out.Body.Items = append(out.Body.Items, shownVersion(&found.Items[i]))
	}
	return out, nil
}

func (s *service) oneVersion(ctx context.Context, in *versionInput) (*versionOutput, error) {
	found, err := s.store.Version(ctx, in.ID)
	if err == nil {
		if _, ok := s.alsoMay(ctx, auth.Get, resourceOf(found.Kind)); !ok {
			err = store.ErrNotFound
		}
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil, huma.Error404NotFound("the version is not found, or it is not for you to see; versions are forgotten some time after they ended")
	}
	if err != nil {
		return nil, s.problem(ctx, "reading a version of a policy", err)
	}
	out := &versionOutput{Body: OnePolicyVersion{PolicyVersion: shownVersion(found)}}
	if err := json.Unmarshal(found.Object, &out.Body.Object); err != nil {
		return nil, s.problem(ctx, "decoding a version of a policy", err)
	}
	return out, nil
}

func shownVersion(v *store.Version) PolicyVersion {
	return PolicyVersion{ID: v.ID, ClusterName: v.Cluster, Kind: v.Kind, Name: v.Name, From: v.From.UTC(), To: orNone(v.To)}
}

// orNone is nil for no time.
func orNone(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
