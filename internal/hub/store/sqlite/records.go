package sqlite

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/assay-gitops/assay/internal/hub/store"
)

// Declare implements store.Store.
func (s *Store) Declare(ctx context.Context, cluster string, at time.Time, objects []store.Declared) (changed int, err error) {
	if err := store.CheckDeclaration(cluster, at, objects); err != nil {
		return 0, err
	}
	err = s.turn(ctx, func(tx *sql.Tx) (func(), error) {
		changed, err = s.declare(ctx, tx, cluster, at.UnixNano(), objects)
		return func() {}, err
	})
	if err != nil {
		return 0, fmt.Errorf("keeping what cluster %s is judged by: %w", cluster, damage(err))
	}
	s.checkpoint(ctx)
	return changed, nil
}

// standing is a version that has not ended.
type standing struct {
	id, version string
	hash        []byte
}

func (s *Store) declare(ctx context.Context, tx *sql.Tx, cluster string, at moment, objects []store.Declared) (changed int, err error) {
	var last moment
	err = tx.QueryRowContext(ctx, `SELECT last FROM declarations WHERE cluster = ?`, cluster).Scan(&last)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, err
	}
	if at <= last {
		return 0, nil
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO declarations (cluster, first, last) VALUES (?1, ?2, ?2) ON CONFLICT (cluster) DO UPDATE SET last = excluded.last`, cluster, at); err != nil {
		return 0, err
	}
	there, err := standingOf(ctx, tx, cluster)
	if err != nil {
		return 0, err
	}
	for i := range objects {
		o := &objects[i]
		key := [2]string{o.Kind, o.Name}
		before, known := there[key]
		delete(there, key)
		hash := sha256.Sum256(o.Object)
		switch {
		case known && before.version == o.Version && string(before.hash) == string(hash[:]):
			continue
		case known && before.version == o.Version:
			_, err = tx.ExecContext(ctx, `UPDATE versions SET hash = ?, object = ? WHERE id = ?`, hash[:], s.read.Codec.Compress(o.Object), before.id)
		default:
			if known {
				if err := end(ctx, tx, before.id, at); err != nil {
					return 0, err
				}
			}
			_, err = tx.ExecContext(ctx, `INSERT INTO versions (id, cluster, kind, name, version, began, ended, hash, object) VALUES (?,?,?,?,?,?,0,?,?)`,
				store.VersionID(cluster, o, time.Unix(0, at)), cluster, o.Kind, o.Name, o.Version, at, hash[:], s.read.Codec.Compress(o.Object))
			changed++
		}
		if err != nil {
			return 0, err
		}
	}
	for _, gone := range there {
		if err := end(ctx, tx, gone.id, at); err != nil {
			return 0, err
		}
		changed++
	}
	return changed, nil
}

func end(ctx context.Context, tx *sql.Tx, id string, at moment) error {
	_, err := tx.ExecContext(ctx, `UPDATE versions SET ended = ? WHERE id = ?`, at, id)
	return err
}

func standingOf(ctx context.Context, tx *sql.Tx, cluster string) (map[[2]string]standing, error) {
	rows, err := tx.QueryContext(ctx, `SELECT id, kind, name, version, hash FROM versions WHERE cluster = ? AND ended = 0`, cluster)
	if err != nil {
		return nil, err
	}
	there := map[[2]string]standing{}
	for rows.Next() {
		var v standing
		var key [2]string
		if err := rows.Scan(&v.id, &key[0], &key[1], &v.version, &v.hash); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		there[key] = v
	}
	return there, errors.Join(rows.Err(), rows.Close())
}

const versionColumns = `id, cluster, kind, name, version, began, ended`

// scan reads versionColumns, and what more there is.
func scanVersion(rows interface{ Scan(...any) error }, v *store.Version, more ...any) error {
	var began, ended moment
	if err := rows.Scan(append([]any{&v.ID, &v.Cluster, &v.Kind, &v.Name, &v.Declared.Version, &began, &ended}, more...)...); err != nil {
		return err
	}
	v.From, v.To = timeOf(began), timeOf(ended)
	return nil
}

// timeOf is zero for no moment.
func timeOf(at moment) time.Time {
	if at == 0 {
		return time.Time{}
	}
	return time.Unix(0, at).UTC()
}

// DeclaredAt implements store.Store.
func (s *Store) DeclaredAt(ctx context.Context, cluster, kind string, at time.Time) ([]store.Version, error) {
	var first moment
	err := s.readers.QueryRowContext(ctx, `SELECT first FROM declarations WHERE cluster = ?`, cluster).Scan(&first)
	switch {
	case errors.Is(err, sql.ErrNoRows) || err == nil && !at.IsZero() && at.Before(time.Unix(0, first)):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading what cluster %s declared: %w", cluster, damage(err))
	}
	query, values := `SELECT `+versionColumns+`, object FROM versions WHERE cluster = ? AND kind = ? AND ended = 0 ORDER BY name`, []any{cluster, kind}
	if !at.IsZero() {
		query = `SELECT ` + versionColumns + `, object FROM versions WHERE cluster = ? AND kind = ? AND began <= ? AND (ended = 0 OR ended > ?) ORDER BY name`
		values = append(values, at.UnixNano(), at.UnixNano())
	}
	versions := []store.Version{}
	err = each(ctx, s.readers, query, func(rows *sql.Rows) error {
		var v store.Version
		var compressed sql.RawBytes
		if err := scanVersion(rows, &v, &compressed); err != nil {
			return err
		}
		object, err := s.read.Codec.Text(compressed)
		v.Object = object
		versions = append(versions, v)
		return err
	}, values...)
	if err != nil {
		return nil, fmt.Errorf("reading what cluster %s declared: %w", cluster, damage(err))
	}
	return versions, nil
}

// Versions implements store.Store.
func (s *Store) Versions(ctx context.Context, q store.VersionQuery, limit int, cursor string) (store.Versions, error) {
	if limit < 1 || limit > 1000 {
		return store.Versions{}, fmt.Errorf("%w: %d versions", store.ErrInvalid, limit)
	}
	var where []string
	var values []any
	and := func(condition string, more ...any) {
		where = append(where, condition)
		values = append(values, more...)
	}
	for column, wanted := range map[string][]string{"cluster": q.Clusters, "kind": q.Kinds, "name": q.Names} {
		if len(wanted) > 0 {
			and(column+` IN (SELECT value FROM json_each(?))`, jsonList(wanted))
		}
	}
	if !q.Since.IsZero() {
		and(`(ended = 0 OR ended > ?)`, q.Since.UnixNano())
	}
	if !q.Until.IsZero() {
		and(`began < ?`, q.Until.UnixNano())
	}
	if cursor != "" {
		after, err := store.ParseVersionCursor(cursor)
		if err != nil {
			return store.Versions{}, err
		}
		and(`(began, id) < (?, ?)`, after.From.UnixNano(), after.ID)
	}
	query := `SELECT ` + versionColumns + ` FROM versions`
	if len(where) > 0 {
		query += ` WHERE ` + strings.Join(where, ` AND `)
	}
	list := store.Versions{Items: []store.Version{}}
	err := each(ctx, s.readers, query+` ORDER BY began DESC, id DESC LIMIT ?`, func(rows *sql.Rows) error {
		var v store.Version
		err := scanVersion(rows, &v)
		list.Items = append(list.Items, v)
		return err
	}, append(values, limit+1)...)
	if err != nil {
		return store.Versions{}, fmt.Errorf("listing versions: %w", damage(err))
	}
	if len(list.Items) > limit {
		list.Items = list.Items[:limit]
		last := &list.Items[limit-1]
		list.Next = store.VersionCursor{From: last.From, ID: last.ID}.String()
	}
	return list, nil
}

// Version implements store.Store.
func (s *Store) Version(ctx context.Context, id string) (*store.Version, error) {
	var v store.Version
	var compressed []byte
	err := scanVersion(s.readers.QueryRowContext(ctx, `SELECT `+versionColumns+`, object FROM versions WHERE id = ?`, id), &v, &compressed)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, store.ErrNotFound
	}
	if err == nil {
		v.Object, err = s.read.Codec.Text(compressed)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the version %s: %w", id, damage(err))
	}
	return &v, nil
}

// AddPass implements store.Store.
func (s *Store) AddPass(ctx context.Context, cluster string, p *store.Pass) error {
	if err := store.CheckPass(cluster, p); err != nil {
		return err
	}
	var ended moment
	if !p.End.IsZero() {
		ended = p.End.UnixNano()
	}
	err := s.turn(ctx, func(tx *sql.Tx) (func(), error) {
		_, err := tx.ExecContext(ctx, `INSERT INTO passes (cluster, id, why, request, began, ended, failures, detail) VALUES (?,?,?,?,?,?,?,?)
			ON CONFLICT (cluster, id) DO UPDATE SET why = excluded.why, request = excluded.request, began = excluded.began, ended = excluded.ended,
			failures = excluded.failures, detail = excluded.detail WHERE ended = 0`,
			cluster, p.ID, p.Trigger, p.Request, p.Start.UnixNano(), ended, p.Failures, s.read.Codec.Compress(p.Detail))
		return func() {}, err
	})
	if err != nil {
		return fmt.Errorf("keeping the audit %s of cluster %s: %w", p.ID, cluster, damage(err))
	}
	return nil
}

const passColumns = `cluster, id, why, request, began, ended, failures`

func scanPass(rows interface{ Scan(...any) error }, p *store.Pass, more ...any) error {
	var began, ended moment
	if err := rows.Scan(append([]any{&p.Cluster, &p.ID, &p.Trigger, &p.Request, &began, &ended, &p.Failures}, more...)...); err != nil {
		return err
	}
	p.Start, p.End = timeOf(began), timeOf(ended)
	return nil
}

// Passes implements store.Store.
func (s *Store) Passes(ctx context.Context, clusters []string, limit int) ([]store.Pass, error) {
	if limit < 1 || limit > 1000 {
		return nil, fmt.Errorf("%w: %d audits", store.ErrInvalid, limit)
	}
	query, values := `SELECT `+passColumns+` FROM passes`, []any{}
	if len(clusters) > 0 {
		query, values = query+` WHERE cluster IN (SELECT value FROM json_each(?))`, append(values, jsonList(clusters))
	}
	passes := []store.Pass{}
	err := each(ctx, s.readers, query+` ORDER BY began DESC, cluster, id LIMIT ?`, func(rows *sql.Rows) error {
		var p store.Pass
		err := scanPass(rows, &p)
		passes = append(passes, p)
		return err
	}, append(values, limit)...)
	if err != nil {
		return nil, fmt.Errorf("listing audits: %w", damage(err))
	}
	return passes, nil
}

// Pass implements store.Store.
func (s *Store) Pass(ctx context.Context, cluster, id string) (*store.Pass, error) {
	var p store.Pass
	var compressed []byte
	err := scanPass(s.readers.QueryRowContext(ctx, `SELECT `+passColumns+`, detail FROM passes WHERE cluster = ? AND id = ?`, cluster, id), &p, &compressed)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, store.ErrNotFound
	}
	if err == nil {
		p.Detail, err = s.read.Codec.Text(compressed)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the audit %s of cluster %s: %w", id, cluster, damage(err))
	}
	return &p, nil
}

// forgetRecords removes versions that ended and audits that started before a time.
func (s *Store) forgetRecords(ctx context.Context, before moment) error {
	return s.turn(ctx, func(tx *sql.Tx) (func(), error) {
		if _, err := tx.ExecContext(ctx, `DELETE FROM versions WHERE ended > 0 AND ended < ?`, before); err != nil {
			return nil, err
		}
		// What is known of earlier times is not all any more.
		if _, err := tx.ExecContext(ctx, `UPDATE declarations SET first = ?1 WHERE first < ?1`, before); err != nil {
			return nil, err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM passes WHERE began < ?`, before)
		return func() {}, err
	})
}

func jsonList(values []string) string {
	text, _ := json.Marshal(values) // strings always can be
	return string(text)
}
