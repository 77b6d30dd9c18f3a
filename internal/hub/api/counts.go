package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/assay-gitops/assay/internal/hub/auth"
	"github.com/assay-gitops/assay/internal/hub/store"
)

const (
	// maxDays and defaultDays bound a timeline.
	maxDays     = 366
	defaultDays = 30
	day         = 24 * time.Hour
	// topValues is how many a summary names of what has no end.
	topValues = 10
	// maxClusters is how many a reader is told of.
	maxClusters = 1000
)

// Count of violations with a value.
type Count struct {
	Value string `json:"value"`
	Count int    `json:"count"`
}

// Facets are counts by dimension.
type Facets struct {
	Facets map[string][]Count `json:"facets" doc:"The most frequent values of each dimension."`
}

// Day of a timeline.
type Day struct {
	Day      string `json:"day" format:"date" doc:"In UTC."`
	Opened   int    `json:"opened"`
	Resolved int    `json:"resolved"`
	Denied   int    `json:"denied" doc:"Results of gates that refused."`
	Warned   int    `json:"warned" doc:"Results of gates that warned."`
}

// Timeline counts results by day.
type Timeline struct {
	Days []Day `json:"days" nullable:"false" doc:"Those without any included."`
}

// Summary is how things stand.
type Summary struct {
	Open       int     `json:"open"`
	Severities []Count `json:"severities" nullable:"false"`
	Gates      []Count `json:"gates" nullable:"false"`
	Clusters   []Count `json:"clusters" nullable:"false" doc:"Those with the most."`
	Policies   []Count `json:"policies" nullable:"false" doc:"Those that are violated most."`
	Namespaces []Count `json:"namespaces" nullable:"false" doc:"Those with the most."`
}

// Cluster that has sent something.
type Cluster struct {
	Name        string    `json:"name"`
	FirstSeen   time.Time `json:"firstSeen"`
	LastSeen    time.Time `json:"lastSeen" doc:"When something of it came, by the hub's clock."`
	SkewSeconds float64   `json:"skewSeconds" doc:"How far the clock of its agents was ahead of the hub's."`
}

// Clusters that have sent something.
type Clusters struct {
	Items []Cluster `json:"items" nullable:"false"`
}

type facetsInput struct {
	Filter
	Dimension []string `query:"dimension,explode" enum:"cluster,namespace,workspace,app,kind,policy,category,severity,standard,gate,status,exception" doc:"What to count by; all dimensions when none is named."`
	Limit     int      `query:"limit" minimum:"1" maximum:"1000" default:"50" doc:"How many values of a dimension at most."`
}

// timelineInput has the filters, with another meaning of from and to.
type timelineInput struct{ Filter }

type summaryInput struct{ Filter }

type (
	facetsOutput   struct{ Body Facets }
	timelineOutput struct{ Body Timeline }
	summaryOutput  struct{ Body Summary }
	clustersOutput struct{ Body Clusters }
)

func dimensions() []store.Dimension {
	return []store.Dimension{
		store.Clusters, store.Namespaces, store.Workspaces, store.Apps, store.Kinds, store.Policies, store.Categories, store.Severities,
		store.Standards, store.Gates, store.Statuses, store.Exceptions,
	}
}

func (s *service) registerCounts() {
	register := func(id, path, summary, description string) huma.Operation {
		return s.forReaders(auth.List, huma.Operation{
			OperationID: id, Method: http.MethodGet, Path: path, Tags: []string{"Counts"}, Summary: summary, Description: description,
		})
	}
	huma.Register(s.api, register("count-violations", "/v1/facets", "Counts violations by what they have in common",
		"Of the violations that you may see and the filters mean."), s.facets)
	huma.Register(s.api, register("get-timeline", "/v1/timeline", "Counts results by day",
		fmt.Sprintf("From the day of `from` to that of `to`, which are the last %d days when they are not given; at most %d days.", defaultDays, maxDays)), s.timeline)
	huma.Register(s.api, register("get-summary", "/v1/summary", "Says how things stand",
		"Counts what is open, of what you may see and the filters mean. `status` is always open here."), s.summary)
	huma.Register(s.api, register("list-clusters", "/v1/clusters", "Lists clusters",
		"Those that have sent something, as far as you may see something of them."), s.clusters)
}

func (s *service) facets(ctx context.Context, in *facetsInput) (*facetsOutput, error) {
	asked := dimensions()
	if len(in.Dimension) > 0 {
		asked = asked[:0]
		for _, d := range in.Dimension {
			if !slices.Contains(asked, store.Dimension(d)) {
				asked = append(asked, store.Dimension(d))
			}
		}
	}
	found, err := s.store.Facets(ctx, in.query(scopeOf(ctx)), asked, in.Limit)
	if err != nil {
		return nil, s.problem(ctx, "counting violations", err)
	}
	out := &facetsOutput{Body: Facets{Facets: make(map[string][]Count, len(asked))}}
	for _, d := range asked {
		out.Body.Facets[string(d)] = counted(found[d])
	}
	return out, nil
}

func counted(counts []store.Count) []Count {
	out := make([]Count, 0, len(counts))
	for _, c := range counts {
		out = append(out, Count(c))
	}
	return out
}

func (s *service) timeline(ctx context.Context, in *timelineInput) (*timelineOutput, error) {
	query := in.query(scopeOf(ctx))
	switch {
	case query.To.IsZero() && query.From.IsZero():
		query.To = s.now().UTC()
		query.From = query.To.Add(-(defaultDays - 1) * day)
	case query.To.IsZero():
		query.To = s.now().UTC()
	case query.From.IsZero():
		query.From = query.To.Add(-(defaultDays - 1) * day)
	}
	switch {
	case query.To.Before(query.From):
		return nil, huma.Error422UnprocessableEntity("from is in the future: give to as well, or an earlier from")
	case query.To.Sub(query.From) > maxDays*day:
		return nil, huma.Error422UnprocessableEntity(fmt.Sprintf("from and to are more than %d days apart: ask for a year at a time", maxDays))
	}
	days, err := s.store.Timeline(ctx, query)
	if err != nil {
		return nil, s.problem(ctx, "counting results by day", err)
	}
	out := &timelineOutput{Body: Timeline{Days: make([]Day, 0, len(days))}}
	for _, d := range days {
		out.Body.Days = append(out.Body.Days, Day{d.Day.UTC().Format(time.DateOnly), d.Opened, d.Resolved, d.Denied, d.Warned})
	}
	return out, nil
}

func (s *service) summary(ctx context.Context, in *summaryInput) (*summaryOutput, error) {
	if err := onlyOpen(in.Status); err != nil {
		return nil, err
	}
	query := in.query(scopeOf(ctx))
	query.Statuses = []store.Status{store.Open}
	found, err := s.store.Facets(ctx, query, []store.Dimension{store.Severities, store.Gates, store.Clusters, store.Policies, store.Namespaces}, topValues)
	if err != nil {
		return nil, s.problem(ctx, "summing up violations", err)
	}
	out := &summaryOutput{Body: Summary{
		Severities: counted(found[store.Severities]), Gates: counted(found[store.Gates]), Clusters: counted(found[store.Clusters]),
		Policies: counted(found[store.Policies]), Namespaces: counted(found[store.Namespaces]),
	}}
	// Each violation has one gate, and there are few gates.
	for _, gate := range out.Body.Gates {
		out.Body.Open += gate.Count
	}
	return out, nil
}

// onlyOpen refuses other statuses where only what is open is counted.
func onlyOpen(statuses []string) error {
	if slices.ContainsFunc(statuses, func(status string) bool { return status != string(store.Open) }) {
		return huma.Error422UnprocessableEntity("this is about what is open: leave out status, or ask /v1/facets")
	}
	return nil
}

func (s *service) clusters(ctx context.Context, _ *struct{}) (*clustersOutput, error) {
	known, err := s.store.Clusters(ctx)
	if err != nil {
		return nil, s.problem(ctx, "listing clusters", err)
	}
	scope := scopeOf(ctx)
	seen := func(string) bool { return true }
	if !scope.All {
		found, err := s.store.Facets(ctx, store.Query{Scope: scope}, []store.Dimension{store.Clusters}, maxClusters)
		if err != nil {
			return nil, s.problem(ctx, "finding out which clusters the reader sees something of", err)
		}
		seen = func(name string) bool {
			return slices.ContainsFunc(found[store.Clusters], func(c store.Count) bool { return c.Value == name })
		}
	}
	out := &clustersOutput{Body: Clusters{Items: []Cluster{}}}
	for _, c := range known {
		if seen(c.Name) {
			out.Body.Items = append(out.Body.Items, Cluster{c.Name, c.FirstSeen.UTC(), c.LastSeen.UTC(), c.Skew.Seconds()})
		}
	}
	return out, nil
}
