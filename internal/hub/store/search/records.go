package search

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/assay-gitops/assay/internal/hub/store"
)

// declaration is when a cluster declared something first and last.
type declaration struct {
	Type  string `json:"type"`
	ID    string `json:"id"`
	First int64  `json:"firstDeclared"`
	Last  int64  `json:"lastDeclared"`
}

// versionDocument is a version as the server has it. What is looked for may be shortened; the rest is as it was.
type versionDocument struct {
	Type    string `json:"type"`
	ID      string `json:"id"`
	Cluster string `json:"cluster"`
	Kind    string `json:"kind"`
	Name    string `json:"name"`
	Began   int64  `json:"began"`
	Ended   int64  `json:"ended"`
	// Exact are cluster, kind and name.
	Exact   [3]string `json:"exact"`
	Version string    `json:"version"`
	Hash    string    `json:"hash"`
	Object  []byte    `json:"object,omitempty"`
}

func (d *versionDocument) shown() store.Version {
	return store.Version{
		ID: d.ID, Cluster: d.Exact[0], Declared: store.Declared{Kind: d.Exact[1], Name: d.Exact[2], Version: d.Version}, From: timeOf(d.Began), To: timeOf(d.Ended),
	}
}

// withObject is the version with its object.
func (s *Store) withObject(d *versionDocument) (store.Version, error) {
	v := d.shown()
	text, err := s.read.Codec.Text(d.Object)
	if err != nil {
		return v, damaged(s.records, d.ID, err)
	}
	v.Object = text
	return v, nil
}

// timeOf is zero for no moment.
func timeOf(at int64) time.Time {
	if at == 0 {
		return time.Time{}
	}
	return time.Unix(0, at).UTC()
}

// record reads one; nil when it is not there.
func (s *Store) record(ctx context.Context, id string, to any) (*hit, error) {
	if err := s.prepare(ctx); err != nil {
		return nil, err
	}
	documents, err := s.get(ctx, s.records, []string{id}, "*")
	if err != nil || documents[id] == nil {
		return nil, err
	}
	return documents[id], decode(s.records, id, documents[id].Source, to)
}

// Declare implements store.Store. Versions are written first and the time of the declaration last: when it fails between, sending it again
// completes it.
func (s *Store) Declare(ctx context.Context, cluster string, at time.Time, objects []store.Declared) (int, error) {
	if err := store.CheckDeclaration(cluster, at, objects); err != nil {
		return 0, err //nolint:wrapcheck // it says what is wrong
	}
	select {
	case s.declaring <- struct{}{}:
	case <-ctx.Done():
		return 0, ctx.Err() //nolint:wrapcheck // it says all
	}
	defer func() { <-s.declaring }()
	changed, err := s.declare(ctx, cluster, at.UnixNano(), objects)
	if err != nil {
		return 0, fmt.Errorf("keeping what cluster %s is judged by: %w", cluster, err)
	}
	return changed, nil
}

func (s *Store) declare(ctx context.Context, cluster string, at int64, objects []store.Declared) (changed int, err error) {
	id := recordID(declarationRecord, hashOf(cluster))
	last := operation{action: "create", index: s.records, id: id}
	var before declaration
	seen, err := s.record(ctx, id, &before)
	switch {
	case err != nil:
		return 0, err
	case seen == nil:
		last.body = declaration{declarationRecord, id, at, at}
	case at <= before.Last:
		return 0, nil
	default:
		last.action, last.seen, last.body = "index", seen, declaration{declarationRecord, id, before.First, at}
	}
	there, err := s.standing(ctx, cluster)
	if err != nil {
		return 0, err
	}
	var operations []operation
	end := func(id string) {
		operations = append(operations, operation{action: "update", index: s.records, id: id, retries: 3, body: object{"doc": object{"ended": at}}})
	}
	for i := range objects {
		o := &objects[i]
		key := [2]string{o.Kind, o.Name}
		standing := there[key]
		delete(there, key)
		sum := sha256.Sum256(o.Object)
		hash := hex.EncodeToString(sum[:])
		switch {
		case standing != nil && standing.Version == o.Version && standing.Hash == hash:
		case standing != nil && standing.Version == o.Version:
			operations = append(operations, operation{
				action: "update", index: s.records, id: recordID(versionRecord, standing.ID), retries: 3,
				body: object{"doc": object{"hash": hash, "object": s.read.Codec.Compress(o.Object)}},
			})
		default:
			if standing != nil {
				end(recordID(versionRecord, standing.ID))
			}
			d := &versionDocument{
				Type: versionRecord, ID: store.VersionID(cluster, o, time.Unix(0, at)), Cluster: term(cluster), Kind: term(o.Kind), Name: term(o.Name),
				Began: at, Exact: [3]string{cluster, o.Kind, o.Name}, Version: o.Version, Hash: hash, Object: s.read.Codec.Compress(o.Object),
			}
			operations = append(operations, operation{action: "index", index: s.records, id: recordID(versionRecord, d.ID), body: d})
			changed++
		}
	}
	for _, gone := range there {
		end(recordID(versionRecord, gone.ID))
		changed++
	}
	if _, err := s.bulk(ctx, operations); err != nil {
		return 0, err
	}
	outcomes, err := s.bulk(ctx, []operation{last})
	if err != nil {
		return 0, err
	}
	if !outcomes[0].done() {
		return 0, unavailable(fmt.Errorf("another hub takes a declaration of the cluster as well"))
	}
	return changed, nil
}

// standing are the versions that have not ended, by kind and name.
func (s *Store) standing(ctx context.Context, cluster string) (map[[2]string]*versionDocument, error) {
	s.records.wrote() // what other hubs wrote is to be found as well
	there := map[[2]string]*versionDocument{}
	err := s.versions(ctx, object{
		"query": filters(oneOf("type", []string{versionRecord}), oneOf("cluster", terms([]string{cluster})), object{"term": object{"ended": 0}}),
		"sort":  []any{by("id", false)}, "_source": object{"excludes": []string{"object"}},
	}, func(d *versionDocument) error {
		there[[2]string{d.Exact[1], d.Exact[2]}] = d
		return nil
	})
	return there, err
}

func filters(all ...any) object { return object{"bool": object{"filter": all}} }

func (s *Store) versions(ctx context.Context, body object, do func(*versionDocument) error) error {
	const size = 500 // with their objects
	return s.each(ctx, s.records, body, size, func(hits []hit) error {
		for i := range hits {
			d := &versionDocument{}
			if err := decode(s.records, hits[i].ID, hits[i].Source, d); err != nil {
				return err
			}
			if err := do(d); err != nil {
				return err
			}
		}
		return nil
	})
}

// wasThere at a time, which may be now.
func wasThere(at int64) object {
	return object{"bool": object{"should": []any{object{"term": object{"ended": 0}}, object{"range": object{"ended": object{"gt": at}}}}, "minimum_should_match": 1}}
}

// DeclaredAt implements store.Store.
func (s *Store) DeclaredAt(ctx context.Context, cluster, kind string, at time.Time) ([]store.Version, error) {
	var d declaration
	seen, err := s.record(ctx, recordID(declarationRecord, hashOf(cluster)), &d)
	if err != nil {
		return nil, fmt.Errorf("reading what cluster %s declared: %w", cluster, err)
	}
	if seen == nil || !at.IsZero() && at.Before(time.Unix(0, d.First)) {
		return nil, nil
	}
	all := []any{oneOf("type", []string{versionRecord}), oneOf("cluster", terms([]string{cluster})), oneOf("kind", terms([]string{kind}))}
	if at.IsZero() {
		all = append(all, object{"term": object{"ended": 0}})
	} else {
		all = append(all, object{"range": object{"began": object{"lte": nanoseconds(at)}}}, wasThere(nanoseconds(at)))
	}
	versions := []store.Version{}
	err = s.versions(ctx, object{"query": filters(all...), "sort": []any{by("name", false), by("id", false)}}, func(d *versionDocument) error {
		v, err := s.withObject(d)
		versions = append(versions, v)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading what cluster %s declared: %w", cluster, err)
	}
	return versions, nil
}

// Versions implements store.Store.
func (s *Store) Versions(ctx context.Context, q store.VersionQuery, limit int, cursor string) (store.Versions, error) {
	if limit < 1 || limit > maxLimit {
		return store.Versions{}, fmt.Errorf("%w: %d versions", store.ErrInvalid, limit)
	}
	all := []any{oneOf("type", []string{versionRecord})}
	for field, values := range map[string][]string{"cluster": q.Clusters, "kind": q.Kinds, "name": q.Names} {
		if len(values) > 0 {
			all = append(all, object{"bool": object{"should": among(field, terms(values)), "minimum_should_match": 1}})
		}
	}
	if !q.Since.IsZero() {
		all = append(all, wasThere(nanoseconds(q.Since)))
	}
	if !q.Until.IsZero() {
		all = append(all, object{"range": object{"began": object{"lt": nanoseconds(q.Until)}}})
	}
	body := object{"query": filters(all...), "size": limit + 1, "sort": []any{by("began", true), by("id", true)}, "_source": object{"excludes": []string{"object"}}}
	if cursor != "" {
		after, err := store.ParseVersionCursor(cursor)
		if err != nil {
			return store.Versions{}, err //nolint:wrapcheck // it says all
		}
		body["search_after"] = []any{after.From.UnixNano(), after.ID}
	}
	found, err := s.search(ctx, s.records, body)
	if err != nil {
		return store.Versions{}, fmt.Errorf("listing versions: %w", err)
	}
	hits := found.Hits.Hits
	list := store.Versions{Items: []store.Version{}}
	for i := range hits[:min(limit, len(hits))] {
		var d versionDocument
		if err := decode(s.records, hits[i].ID, hits[i].Source, &d); err != nil {
			return store.Versions{}, fmt.Errorf("listing versions: %w", err)
		}
		list.Items = append(list.Items, d.shown())
	}
	if len(hits) > limit {
		last := &list.Items[limit-1]
		list.Next = store.VersionCursor{From: last.From, ID: last.ID}.String()
	}
	return list, nil
}

// maxID is how long an id may be.
const maxID = 400

// Version implements store.Store.
func (s *Store) Version(ctx context.Context, id string) (*store.Version, error) {
	if id == "" || len(id) > maxID {
		return nil, store.ErrNotFound
	}
	var d versionDocument
	seen, err := s.record(ctx, recordID(versionRecord, id), &d)
	if err != nil {
		return nil, fmt.Errorf("reading the version %s: %w", id, err)
	}
	if seen == nil {
		return nil, store.ErrNotFound
	}
	v, err := s.withObject(&d)
	return &v, err
}

// passDocument is an audit as the server has it.
type passDocument struct {
	Type    string `json:"type"`
	ID      string `json:"id"`
	Cluster string `json:"cluster"`
	Name    string `json:"name"`
	Began   int64  `json:"began"`
	Ended   int64  `json:"ended"`
	// Exact are cluster, ID, trigger and request.
	Exact    [4]string `json:"exact"`
	Failures int       `json:"failures"`
	Detail   []byte    `json:"detail"`
}

func (d *passDocument) shown() store.Pass {
	return store.Pass{
		Cluster: d.Exact[0], ID: d.Exact[1], Trigger: d.Exact[2], Request: d.Exact[3], Start: timeOf(d.Began), End: timeOf(d.Ended), Failures: d.Failures,
	}
}

// AddPass implements store.Store.
func (s *Store) AddPass(ctx context.Context, cluster string, p *store.Pass) error {
	if err := store.CheckPass(cluster, p); err != nil {
		return err //nolint:wrapcheck // it says what is wrong
	}
	id := recordID(passRecord, hashOf(cluster, p.ID))
	d := &passDocument{
		Type: passRecord, ID: id, Cluster: term(cluster), Name: term(p.ID), Began: nanoseconds(p.Start), Exact: [4]string{cluster, p.ID, p.Trigger, p.Request},
		Failures: p.Failures, Detail: s.read.Codec.Compress(p.Detail),
	}
	if !p.End.IsZero() {
		d.Ended = nanoseconds(p.End)
	}
	for round := range maxRounds {
		var before passDocument
		seen, err := s.record(ctx, id, &before)
		if err != nil {
			return fmt.Errorf("keeping the audit %s of cluster %s: %w", p.ID, cluster, err)
		}
		o := operation{action: "create", index: s.records, id: id, body: d}
		if seen != nil {
			if before.Ended != 0 {
				return nil
			}
			o.action, o.seen = "index", seen
		}
		outcomes, err := s.bulk(ctx, []operation{o})
		if err != nil {
			return fmt.Errorf("keeping the audit %s of cluster %s: %w", p.ID, cluster, err)
		}
		if outcomes[0].done() {
			return nil
		}
		if !pause(ctx, min(round, 3), 0) {
			break
		}
	}
	return unavailable(fmt.Errorf("the audit %s of cluster %s is being changed by others again and again", p.ID, cluster))
}

// Passes implements store.Store.
func (s *Store) Passes(ctx context.Context, clusters []string, limit int) ([]store.Pass, error) {
	if limit < 1 || limit > maxLimit {
		return nil, fmt.Errorf("%w: %d audits", store.ErrInvalid, limit)
	}
	all := []any{oneOf("type", []string{passRecord})}
	if len(clusters) > 0 {
		all = append(all, object{"bool": object{"should": among("cluster", terms(clusters)), "minimum_should_match": 1}})
	}
	found, err := s.search(ctx, s.records, object{
		"query": filters(all...), "size": limit, "sort": []any{by("began", true), by("cluster", false), by("name", false)},
		"_source": object{"excludes": []string{"detail"}},
	})
	if err != nil {
		return nil, fmt.Errorf("listing audits: %w", err)
	}
	passes := []store.Pass{}
	for i := range found.Hits.Hits {
		var d passDocument
		if err := decode(s.records, found.Hits.Hits[i].ID, found.Hits.Hits[i].Source, &d); err != nil {
			return nil, fmt.Errorf("listing audits: %w", err)
		}
		passes = append(passes, d.shown())
	}
	return passes, nil
}

// Pass implements store.Store.
func (s *Store) Pass(ctx context.Context, cluster, id string) (*store.Pass, error) {
	var d passDocument
	seen, err := s.record(ctx, recordID(passRecord, hashOf(cluster, id)), &d)
	if err != nil {
		return nil, fmt.Errorf("reading the audit %s of cluster %s: %w", id, cluster, err)
	}
	if seen == nil {
		return nil, store.ErrNotFound
	}
	p := d.shown()
	text, err := s.read.Codec.Text(d.Detail)
	if err != nil {
		return nil, damaged(s.records, d.ID, err)
	}
	if len(text) > 0 {
		p.Detail = json.RawMessage(text)
	}
	return &p, nil
}

// forgetRecords removes versions that ended and audits that started before a time.
func (s *Store) forgetRecords(ctx context.Context, before int64) error {
	_, err := s.remove(ctx, s.records, object{"query": filters(oneOf("type", []string{versionRecord}), object{"range": object{"ended": object{"gt": 0, "lt": before}}})})
	if err != nil {
		return err
	}
	if _, err := s.remove(ctx, s.records, object{"query": filters(oneOf("type", []string{passRecord}), object{"range": object{"began": object{"lt": before}}})}); err != nil {
		return err
	}
	// What is known of earlier times is not all any more.
	body := object{"query": oneOf("type", []string{declarationRecord}), "sort": []any{by("id", false)}}
	return s.each(ctx, s.records, body, maxPage, func(hits []hit) error {
		var operations []operation
		for i := range hits {
			var d declaration
			if err := decode(s.records, hits[i].ID, hits[i].Source, &d); err != nil {
				return err
			}
			if d.First < before {
				operations = append(operations, operation{
					action: "update", index: s.records, id: hits[i].ID, retries: 5, body: object{"doc": object{"firstDeclared": before}},
				})
			}
		}
		_, err := s.bulk(ctx, operations)
		return err
	})
}
