package search

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/assay-gitops/assay/internal/hub/store"
)

// version of the indices. A newer one adds fields to the mappings of an older one; what that is not enough for needs another index under
// the alias. A violation has the fields that are new once it is written again, which audit's next pass is enough for.
const version = 2

type object = map[string]any

var (
	keyword = object{"type": "keyword"}
	long    = object{"type": "long"}
	boolean = object{"type": "boolean"}
)

// violationFields are those that are looked for; all else of a document is only kept.
func violationFields() object {
	fields := object{
		"first": long, "last": long, "rank": object{"type": "integer"}, "ticks": object{"type": "integer"}, "enforced": boolean, "hidden": boolean,
		"words": object{"type": "text", "analyzer": "whitespace", "norms": false},
	}
	for _, name := range []string{
		"id", "place", "cluster", "gate", "kind", "namespace", "name", "workspace", "app", "policy", "policyName", "category", "severity",
		"standards", "controls", "status", "exception",
	} {
		fields[name] = keyword
	}
	return fields
}

func historyFields() object {
	return object{"id": keyword, "violation": keyword, "result": keyword, "time": long}
}

func recordFields() object {
	return object{
		"type": keyword, "id": keyword, "cluster": keyword, "kind": keyword, "name": keyword, "began": long, "ended": long,
	}
}

func newIndex(name string, fields object) *index {
	return &index{name: name, turn: make(chan struct{}, 1), mappings: object{"dynamic": false, "_meta": object{"version": version}, "properties": fields}}
}

// gone notes that somebody removed an index. It is made again before anything else is done.
func (s *Store) gone() {
	s.ready.Store(false)
	s.policies.forget()
}

// errNotOurs is an index that something else made.
var errNotOurs = errors.New("it is not one of Assay's hub: choose another prefix, or remove it")

// prepare makes what is not there.
func (s *Store) prepare(ctx context.Context) error {
	if s.ready.Load() {
		return nil
	}
	select {
	case s.preparing <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err() //nolint:wrapcheck // it says all
	}
	defer func() { <-s.preparing }()
	if s.ready.Load() {
		return nil
	}
	for _, x := range []*index{s.violations, s.history, s.records} {
		if err := s.prepareIndex(ctx, x); err != nil {
			return fmt.Errorf("preparing the index %s: %w", x.name, err)
		}
	}
	s.ready.Store(true)
	return nil
}

func (s *Store) prepareIndex(ctx context.Context, x *index) error {
	var found map[string]struct {
		Mappings struct {
			Meta struct {
				Version int `json:"version"`
			} `json:"_meta"`
		} `json:"mappings"`
	}
	answer, err := s.call(ctx, http.MethodGet, "/"+x.name+"/_mapping", nil, &found)
	if answer.Status == http.StatusNotFound && answer.ErrorType == "index_not_found_exception" {
		// The alias comes with the index, so hubs that start together make one.
		answer, err = s.call(ctx, http.MethodPut, "/"+x.name+"-1", object{
			"aliases": object{x.name: object{"is_write_index": true}},
			// One copy where there is one node, two where there are more. With one shard, counts are exact.
			"settings": object{"number_of_shards": 1, "auto_expand_replicas": "0-1", "refresh_interval": "1s"},
			"mappings": x.mappings,
		}, nil)
		if answer.ErrorType == "resource_already_exists_exception" {
			return nil
		}
		return err
	}
	if err != nil {
		return err
	}
	for name, mapping := range found {
		switch v := mapping.Mappings.Meta.Version; {
		case v == version:
		case v == 0 || len(found) > 1:
			return fmt.Errorf("%s: %w", name, errNotOurs)
		case v > version:
			return fmt.Errorf("%s is of version %d, which a newer hub made, and this hub knows %d: use the newer one", name, v, version)
		default:
			if _, err := s.call(ctx, http.MethodPut, "/"+name+"/_mapping", x.mappings, nil); err != nil {
				return fmt.Errorf("migrating %s from version %d: %w", name, v, err)
			}
			s.options.Logger.Info("migrated an index of the store", "index", name, "from", v, "to", version)
		}
	}
	return nil
}

// wrote notes that something is to be found after a refresh.
func (x *index) wrote() { x.written.Add(1) }

// refresh makes what this process wrote be found. What other hubs wrote is within a second.
func (s *Store) refresh(ctx context.Context, x *index) error {
	want := x.written.Load()
	if x.refreshed.Load() >= want {
		return nil
	}
	select {
	case x.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err() //nolint:wrapcheck // it says all
	}
	defer func() { <-x.turn }()
	if x.refreshed.Load() >= want {
		return nil // while this waited
	}
	upTo := x.written.Load()
	if _, err := s.call(ctx, http.MethodPost, "/"+x.name+"/_refresh", nil, nil); err != nil {
		return err
	}
	x.refreshed.Store(upTo)
	return nil
}

// damaged is a document that cannot be read as what it should be.
func damaged(x *index, id string, err error) error {
	return fmt.Errorf("the document %s of %s is not what the hub writes: %w", id, x.name, err)
}

// decode reads a document.
func decode(x *index, id string, source json.RawMessage, to any) error {
	if err := json.Unmarshal(source, to); err != nil {
		return damaged(x, id, err)
	}
	return nil
}

// unavailable is an error that is the server's, for now.
func unavailable(err error) error { return fmt.Errorf("%w: %w", store.ErrUnavailable, err) }
