package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/assay-gitops/assay/internal/hub/auth"
	"github.com/assay-gitops/assay/internal/hub/store"
)

// Application is a Flux object that applies objects which violate policies.
type Application struct {
	Kind      string `json:"kind" doc:"Kustomization or HelmRelease."`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Open      int    `json:"open" doc:"Open violations of what it applies."`
	High      int    `json:"high" doc:"Those of policies of high severity."`
	Medium    int    `json:"medium"`
	Low       int    `json:"low"`
}

// Applications are those with the most open violations.
type Applications struct {
	Items []Application `json:"items" nullable:"false" doc:"Those with the most open violations first. One of the same name in two clusters is one here: filter by cluster to tell them apart."`
}

type applicationsInput struct {
	Filter
	Limit int `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"How many at most."`
}

type applicationsOutput struct{ Body Applications }

func (s *service) registerApplications() {
	huma.Register(s.api, s.forReaders(auth.List, huma.Operation{
		OperationID: "list-applications", Method: http.MethodGet, Path: "/v1/applications", Tags: []string{"Counts"},
		Summary: "Lists applications with open violations", Description: "The Flux objects that apply what violates policies, of what you may see and the filters mean. `status` is always open here.",
	}), s.applications)
}

func (s *service) applications(ctx context.Context, in *applicationsInput) (*applicationsOutput, error) {
	query := in.query(scopeOf(ctx))
	if err := onlyOpen(in.Status); err != nil {
		return nil, err
	}
	query.Statuses = []store.Status{store.Open}
	count := func(severity string) (map[string]int, []store.Count, error) {
		q := query
		limit := in.Limit
		if severity != "" {
			if len(q.Severities) > 0 && !has(q.Severities, severity) {
				return nil, nil, nil
			}
			// Those with the most of one severity need not be those with the most of all.
			q.Severities, limit = []string{severity}, maxPage
		}
		found, err := s.store.Facets(ctx, q, []store.Dimension{store.Apps}, limit)
		if err != nil {
			return nil, nil, s.problem(ctx, "counting violations of applications", err)
		}
		by := make(map[string]int, len(found[store.Apps]))
		for _, c := range found[store.Apps] {
			by[c.Value] = c.Count
		}
		return by, found[store.Apps], nil
	}
	_, most, err := count("")
	if err != nil {
		return nil, err
	}
	// The severities of those that are shown, and of no others: there may be more of these than are counted at once.
	query.Apps = query.Apps[:0:0]
	for _, app := range most {
		query.Apps = append(query.Apps, app.Value)
	}
	out := &applicationsOutput{Body: Applications{Items: make([]Application, 0, len(most))}}
	if len(most) == 0 {
		return out, nil
	}
	var by [3]map[string]int
	for i, severity := range []string{"high", "medium", "low"} {
		if by[i], _, err = count(severity); err != nil {
			return nil, err
		}
	}
	for _, app := range most {
		kind, rest, _ := strings.Cut(app.Value, "/")
		namespace, name, _ := strings.Cut(rest, "/")
		out.Body.Items = append(out.Body.Items, Application{kind, namespace, name, app.Count, by[0][app.Value], by[1][app.Value], by[2][app.Value]})
	}
	return out, nil
}
