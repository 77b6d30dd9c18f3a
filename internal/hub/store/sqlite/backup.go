package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// ErrNoStore is a folder in which no store ever was.
var ErrNoStore = errors.New("there is no store")

// Backup implements store.Store. It takes as long as the database is large; adding and reading go on meanwhile. The file is there when it
// is whole, and not before.
func (s *Store) Backup(ctx context.Context, path string) error {
	select {
	case <-s.writer.closed:
		return fmt.Errorf("writing a backup to %s: %w", path, errClosed)
	default:
	}
	if err := backup(ctx, s.path(), path); err != nil {
		return fmt.Errorf("writing a backup to %s: %w", path, damage(err))
	}
	return nil
}

// Backup writes a consistent copy of the store in a folder to a file that does not exist yet (os.ErrExist), and tells its size in bytes. A
// store may be open in that folder, in this process or another, and goes on: the copy is of one moment. It has no room that is not used.
func Backup(ctx context.Context, dir, path string) (size int64, err error) {
	from := filepath.Join(dir, FileName)
	if _, err := os.Stat(from); err != nil { // SQLite would make one
		if errors.Is(err, os.ErrNotExist) {
			err = fmt.Errorf("%w: %w", ErrNoStore, err)
		}
		return 0, fmt.Errorf("looking for the store in %s: %w", dir, err)
	}
	if err := backup(ctx, from, path); err != nil {
		return 0, fmt.Errorf("writing a backup of the store in %s to %s: %w", dir, path, damage(err))
	}
	info, err := os.Stat(path)
	if err != nil {
		return 0, fmt.Errorf("measuring the backup %s: %w", path, err)
	}
	return info.Size(), nil
}

func backup(ctx context.Context, from, path string) (err error) {
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		return errors.Join(os.ErrExist, err)
	}
	// SQLite writes into an empty file that is there. It is for nobody else's eyes, and of this backup only.
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.partial")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close(), os.Remove(file.Name())) }()
	db, err := connect(from, 1, readerCache) // it only reads, but VACUUM may not be asked for by who may only query
	if err != nil {
		return err
	}
	if err := errors.Join(vacuumInto(ctx, db, file.Name()), db.Close()); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	// Not renamed: that would replace what came there meanwhile.
	return os.Link(file.Name(), path)
}

func vacuumInto(ctx context.Context, db *sql.DB, path string) error {
	version, err := versionOf(ctx, db)
	if err != nil {
		return err
	}
	if version == 0 {
		return fmt.Errorf("%w in the database: it is empty", ErrNoStore)
	}
	_, err = db.ExecContext(ctx, `VACUUM INTO ?`, path)
	return err
}
