package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// Backup implements store.Store. It takes as long as the database is large; adding and reading go on meanwhile. The file is there when it
// is whole, and not before.
func (s *Store) Backup(ctx context.Context, path string) error {
	if err := s.backup(ctx, path); err != nil {
		return fmt.Errorf("writing a backup to %s: %w", path, damage(err))
	}
	return nil
}

func (s *Store) backup(ctx context.Context, path string) (err error) {
	select {
	case <-s.writer.closed:
		return errClosed
	default:
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		return errors.Join(os.ErrExist, err)
	}
	partial := path + ".partial"
	// SQLite writes into an empty file that is there. It is for nobody else's eyes.
	file, err := os.OpenFile(partial, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, file.Close())
		if err != nil {
			err = errors.Join(err, os.Remove(partial))
		}
	}()
	db, err := connect(s.path(), 1, readerCache) // it only reads, but VACUUM may not be asked for by who may only query
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, `VACUUM INTO ?`, partial)
	if err = errors.Join(err, db.Close()); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	// Not renamed: that would replace what came there meanwhile.
	if err := os.Link(partial, path); err != nil {
		return err
	}
	return os.Remove(partial)
}
