package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/assay-gitops/assay/internal/hub/store/columns"
)

// loadSlots is how many slots are read at a time. There may be nothing in some.
const loadSlots = 4096

// selectIndexed is what the index has of the violations of some slots.
const selectIndexed = `SELECT slot, key, cluster, gate, kind, namespace, name, workspace, app, policy, message, status, resolution, enforced, hidden, first, last
	FROM violations WHERE slot BETWEEN ? AND ?`

// loadViolations fills the index. Opening a store takes about as long as this, so every processor reads, and nothing is asked of the driver
// that is not needed: package sql would look at the type of each of sixteen million values twice.
func (s *Store) loadViolations(ctx context.Context) error {
	var count, last int64
	if err := s.readers.QueryRowContext(ctx, `SELECT count(*), coalesce(max(slot), -1) FROM violations`).Scan(&count, &last); err != nil {
		return err
	}
	if last >= columns.MaxSlots {
		return fmt.Errorf("%w: slot %d is not one of %d", ErrDamaged, last, columns.MaxSlots)
	}
	s.index.Expect(int(count))
	// Read in parallel, put into the index by one.
	parts := make(chan []loaded, runtime.GOMAXPROCS(0))
	group, ctx := errgroup.WithContext(ctx)
	starts := make(chan int64)
	group.Go(func() error {
		defer close(starts)
		for first := int64(0); first <= last; first += loadSlots {
			select {
			case starts <- first:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	readers, readCtx := errgroup.WithContext(ctx)
	for range min(runtime.GOMAXPROCS(0), s.options.Readers) {
		readers.Go(func() error { return s.readIndexed(readCtx, starts, parts) })
	}
	group.Go(func() error {
		defer close(parts)
		return readers.Wait()
	})
	group.Go(func() error {
		for part := range parts {
			for i := range part {
				if err := s.index.Load(part[i].slot, &part[i].violation); err != nil {
					return fmt.Errorf("%w: %w", ErrDamaged, err)
				}
			}
		}
		return nil
	})
	return group.Wait()
}

// loaded is a violation and its slot.
type loaded struct {
	slot      uint32
	violation columns.Violation
}

func (s *Store) readIndexed(ctx context.Context, starts <-chan int64, parts chan<- []loaded) error {
	connection, err := s.readers.Conn(ctx)
	if err != nil {
		return err
	}
	err = connection.Raw(func(raw any) error {
		queryer, is := raw.(driver.QueryerContext)
		if !is {
			return fmt.Errorf("the driver's %T cannot be asked", raw)
		}
		for first := range starts {
			part, err := s.readPart(ctx, queryer, first)
			if err != nil {
				return err
			}
			select {
			case parts <- part:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	return errors.Join(err, connection.Close())
}

func (s *Store) readPart(ctx context.Context, queryer driver.QueryerContext, first int64) ([]loaded, error) {
	// Not interrupted: the driver would look whether it is at each row.
	rows, err := queryer.QueryContext(context.WithoutCancel(ctx), selectIndexed, []driver.NamedValue{{Ordinal: 1, Value: first}, {Ordinal: 2, Value: first + loadSlots - 1}})
	if err != nil {
		return nil, err
	}
	part := make([]loaded, 0, loadSlots)
	values := make([]driver.Value, len(rows.Columns()))
	for {
		if err := rows.Next(values); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		one, err := s.indexedOf(values)
		if err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		part = append(part, one)
	}
	return part, rows.Close()
}

// indexedOf is a row of selectIndexed.
func (s *Store) indexedOf(values []driver.Value) (one loaded, err error) {
	next := func() (v driver.Value) {
		v, values = values[0], values[1:]
		return v
	}
	number := func() int64 {
		n, is := next().(int64)
		if !is {
			err = fmt.Errorf("%w: a number of a violation is none", ErrDamaged)
		}
		return n
	}
	text := func() string {
		text, is := next().(string)
		if !is {
			err = fmt.Errorf("%w: a text of a violation is none", ErrDamaged)
		}
		return text
	}
	v := &one.violation
	one.slot = uint32(number()) //nolint:gosec // below MaxSlots
	key, _ := next().([]byte)
	copy(v.Key[:], key)
	v.Cluster, v.Gate, v.Kind, v.Namespace, v.Name, v.Workspace, v.App = text(), text(), text(), text(), text(), text(), text()
	// Only Open writes to byID, and waits for this.
	policy, known := s.writer.byID[number()]
	if !known && err == nil {
		err = fmt.Errorf("%w: violation %s is of a policy that is not there", ErrDamaged, v.Key)
	}
	v.PolicyID, v.PolicyName, v.Category, v.Severity, v.Standards = policy.PolicyID, policy.Name, policy.Category, policy.Severity, policy.Standards
	v.Message = text()
	v.Status, v.Resolution = at(statuses, int(number())), text()
	v.Enforced, v.Hidden = number() != 0, number() != 0
	v.FirstSeen, v.LastSeen = time.Unix(0, number()), time.Unix(0, number())
	return one, err
}

// each calls for each row of a query.
func each(ctx context.Context, db *sql.DB, query string, do func(*sql.Rows) error, values ...any) error {
	rows, err := db.QueryContext(ctx, query, values...)
	if err != nil {
		return err
	}
	return eachOf(rows, do)
}

func eachOf(rows *sql.Rows, do func(*sql.Rows) error) error {
	for rows.Next() {
		if err := do(rows); err != nil {
			return errors.Join(err, rows.Close())
		}
	}
	return errors.Join(rows.Err(), rows.Close())
}
