package api

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/assay-gitops/assay/internal/hub/live"
	"github.com/assay-gitops/assay/internal/hub/store"
	"github.com/assay-gitops/assay/internal/words"
)

// ListError is what a list could not be made of.
type ListError struct {
	ClusterName string `json:"clusterName"`
	Message     string `json:"message"`
}

// Listed is what all lists of the cluster's objects say beside them. The names are those of the service that was there before, whose clients
// page by them.
type Listed struct {
	Total         int         `json:"total" doc:"How many there are on all pages."`
	NextPageToken string      `json:"nextPageToken,omitempty" doc:"The cursor of the next page; not there on the last one."`
	Errors        []ListError `json:"errors" nullable:"false" doc:"What could not be read. The list is then what was there when it could be read last."`
}

// Paging is which part of a list is wanted.
type Paging struct {
	Limit     int    `query:"limit" minimum:"1" maximum:"1000" default:"500" doc:"How many at most."`
	Cursor    string `query:"cursor" maxLength:"2000" doc:"nextPageToken of the page before."`
	PageSize  int    `query:"pagination.pageSize" minimum:"0" maximum:"1000" deprecated:"true" doc:"limit, as old clients say it."`
	PageToken string `query:"pagination.pageToken" maxLength:"2000" deprecated:"true" doc:"cursor, as old clients say it."`
}

// InCluster names the cluster that is asked about.
type InCluster struct {
	ClusterName string `query:"clusterName" maxLength:"253" doc:"The hub's own cluster, which is the only one that it reads; that one when it is not given."`
}

// AsOf names the cluster whose policies are asked about, and when.
type AsOf struct {
	ClusterName string    `query:"clusterName" maxLength:"253" doc:"The hub's own cluster, which it reads, when it is not given. Of others it has what their agents told last."`
	At          time.Time `query:"at" doc:"As it was at that time, as far as agents told; as it is when it is not given." example:"2026-11-01T00:00:00Z"`
}

// cluster that is meant.
func (in *AsOf) cluster(s *service) string { return cmp.Or(in.ClusterName, s.live.Name) }

// other is the answer to who asks about a cluster that the hub does not read.
func (s *service) other(cluster string) error {
	if cluster == "" || cluster == s.live.Name {
		return nil
	}
	return huma.Error404NotFound(fmt.Sprintf("cluster %s not found: the hub reads the objects of its own cluster, %s, and knows of others what their agents send", cluster, s.live.Name))
}

// page is the part of a list, sorted by name, that is wanted; next is empty on the last one. The error is store.ErrCursor.
func page[T any](items []T, p Paging, name func(*T) string) (part []T, next string, err error) {
	limit, cursor := p.Limit, p.Cursor
	if p.PageSize > 0 {
		limit = p.PageSize
	}
	if cursor == "" {
		cursor = p.PageToken
	}
	from := 0
	if cursor != "" {
		after, err := base64.RawURLEncoding.DecodeString(cursor)
		if err != nil {
			return nil, "", store.ErrCursor
		}
		found := false
		from, found = slices.BinarySearchFunc(items, string(after), func(item T, after string) int { return strings.Compare(name(&item), after) })
		if found {
			from++
		}
	}
	part = items[from:]
	if len(part) > limit {
		part = part[:limit]
		next = base64.RawURLEncoding.EncodeToString([]byte(name(&part[limit-1])))
	}
	return part, next, nil
}

// unread is what a list says of an error that came with it, or the problem when there is nothing to show.
func (s *service) unread(ctx context.Context, doing string, anything bool, err error) ([]ListError, error) {
	switch {
	case err == nil:
		return []ListError{}, nil
	case errors.Is(err, live.ErrNotInstalled):
		return []ListError{{s.live.Name, err.Error()}}, nil
	case ctx.Err() != nil:
		return nil, s.problem(ctx, doing, ctx.Err())
	}
	s.logger.ErrorContext(ctx, "the hub's cluster could not be read", "doing", doing, "error", err, "request", requestID(ctx))
	if !anything {
		return nil, s.unreadable()
	}
	return []ListError{{s.live.Name, "the cluster could not be read; this is what was there when it could be last"}}, nil
}

// unreadable is the answer when the cluster cannot be read and nothing is known of it.
func (s *service) unreadable() error {
	return after(huma.Error503ServiceUnavailable("the API server of cluster "+s.live.Name+" could not be asked; try again in a moment"), busyFor)
}

// readLive is a list of the hub's cluster, with what could not be read of it. The error is a problem.
func readLive[T any](ctx context.Context, s *service, cluster, doing string, read func(context.Context) ([]T, error)) ([]T, []ListError, error) {
	if err := s.other(cluster); err != nil {
		return nil, nil, err
	}
	found, err := read(ctx)
	faults, err := s.unread(ctx, doing, found != nil, err)
	return found, faults, err
}

// readPolicies is a list of policies, or what goes with them, of a cluster at a time: of the hub's own as it is, of others as their agents told.
// The error is a problem.
func readPolicies[T any](ctx context.Context, s *service, in *AsOf, kind string, read func(context.Context) ([]T, error)) ([]T, []ListError, error) {
	cluster, doing := in.cluster(s), "reading objects of kind "+kind
	if cluster == s.live.Name && in.At.IsZero() {
		return readLive(ctx, s, "", doing, read)
	}
	versions, err := s.store.DeclaredAt(ctx, cluster, kind, in.At)
	switch {
	case err != nil:
		return nil, nil, s.problem(ctx, doing, err)
	case versions == nil && in.At.IsZero():
		return nil, nil, huma.Error404NotFound(fmt.Sprintf("cluster %s not found: the hub reads its own cluster, %s, and no agent of another of that name has told by what it judges", cluster, s.live.Name))
	case versions == nil:
		return nil, nil, huma.Error404NotFound(fmt.Sprintf("what cluster %s was judged by at %s is not known: its agent had not told by then, or it was forgotten", cluster, in.At.UTC().Format(time.RFC3339)))
	}
	found := make([]T, len(versions))
	for i := range versions {
		if err := json.Unmarshal(versions[i].Object, &found[i]); err != nil {
			return nil, nil, s.problem(ctx, doing, fmt.Errorf("decoding the version %s: %w", versions[i].ID, err))
		}
	}
	return found, []ListError{}, nil
}

// State is what the agent says of an object.
type State struct {
	Ready   string `json:"ready" enum:"True,False,Unknown" doc:"Whether the agent works by it."`
	Message string `json:"message,omitempty" doc:"Why not, or what is to be known of it."`
}

func stateOf(conditions []metav1.Condition) State {
	for i := range conditions {
		if c := &conditions[i]; c.Type == "Ready" {
			return State{string(c.Status), words.OneLine(c.Message, maxFault)}
		}
	}
	return State{Ready: string(metav1.ConditionUnknown), Message: "no agent has said anything about it"}
}

// has tells whether one of the values is among those wanted, or none is.
func has[S ~string](wanted []string, values ...S) bool {
	return len(wanted) == 0 || slices.ContainsFunc(values, func(v S) bool { return slices.Contains(wanted, string(v)) })
}

// orEmpty is a list that is [] where there is nothing in it.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// reading describes an operation that reads the cluster.
func reading(id, path, tag, summary, description string) huma.Operation {
	return huma.Operation{OperationID: id, Method: http.MethodGet, Path: path, Tags: []string{tag}, Summary: summary, Description: description, Errors: []int{http.StatusNotFound}}
}
