package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/prometheus/tsdb/fileutil"
	driver "modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"

	"github.com/assay-gitops/assay/internal/hub/store"
	"github.com/assay-gitops/assay/internal/hub/store/columns"
	"github.com/assay-gitops/assay/internal/hub/store/fold"
)

// ErrDamaged is a database that cannot be read as what it should be.
var ErrDamaged = errors.New("the database is damaged or not one of Assay: put a backup in its place")

// ErrInUse is a folder whose store is open already.
var ErrInUse = errors.New("the store is in use by another process")

// Options of a store.
type Options struct {
	// Readers is how many questions are answered from the database at a time; 4 when it is 0.
	Readers int
	// Logger is told what does not fail anybody's request; slog.Default when it is nil.
	Logger *slog.Logger
	// Now is the hub's clock; time.Now when it is nil.
	Now func() time.Time
}

func (o Options) withDefaults() Options {
	if o.Readers <= 0 {
		o.Readers = 4
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

const (
	// FileName is the database in its folder. Beside it are its write-ahead log and the lock.
	FileName = "hub.db"
	lockName = "lock"

	// busyTimeout is how long a connection waits for another one, in milliseconds. Only checkpoints and backups meet.
	busyTimeout = 10_000
	// checkpointBytes is how long the write-ahead log gets before it is written back.
	checkpointBytes = 16 << 20
	// writerCache and readerCache are in KiB.
	writerCache, readerCache = 48 << 10, 4 << 10
)

// Store is one SQLite database. It is safe for concurrent use.
type Store struct {
	dir     string
	options Options
	lock    fileutil.Releaser

	writer  *writer
	readers *sql.DB
	// read is for who adds.
	read fold.Reader

	// mu guards the index, and makes what is read from it and from the database one moment.
	mu    sync.RWMutex
	index *columns.Index
	// results is how many are kept.
	results int

	// sweeping is held by who looks for policies that nothing refers to.
	sweeping sync.Mutex
	closing  sync.Once
}

var _ store.Store = (*Store)(nil)

// Open opens the store in a folder of its own, which it makes, and brings the database to the newest schema. A folder has one store at a
// time (ErrInUse). A database that is not one is ErrDamaged.
func Open(ctx context.Context, dir string, o Options) (*Store, error) {
	o = o.withDefaults()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the store's folder: %w", err)
	}
	lock, _, err := fileutil.Flock(filepath.Join(dir, lockName))
	if err != nil {
		return nil, fmt.Errorf("locking the store in %s: %w: %w", dir, ErrInUse, err)
	}
	s := &Store{dir: dir, options: o, lock: lock, index: columns.New()}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("opening the store in %s: %w", dir, damage(err)), s.Close())
	}
	return s, nil
}

func (s *Store) open(ctx context.Context) error {
	// Made here, the database and what SQLite puts beside it are for nobody else's eyes.
	file, err := os.OpenFile(s.path(), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	s.read.Bare = true
	if s.read.Codec, err = fold.NewCodec(); err != nil {
		return err
	}
	db, err := connect(s.path(), 1, writerCache, "_pragma", "journal_mode(WAL)", "_pragma", "wal_autocheckpoint(0)",
		"_pragma", "journal_size_limit(67108864)", "_txlock", "immediate")
	if err != nil {
		return err
	}
	if s.writer, err = newWriter(ctx, db, s.options); err != nil {
		return errors.Join(err, db.Close())
	}
	if s.readers, err = connect(s.path(), s.options.Readers, readerCache, "_query_only", "1"); err != nil {
		return err
	}
	return s.load(ctx)
}

func (s *Store) path() string { return filepath.Join(s.dir, FileName) }

// connect makes a pool of connections that stay open. Parameters are those of the driver, each before its value.
func connect(path string, connections, cache int, parameters ...string) (*sql.DB, error) {
	query := url.Values{}
	query.Add("_pragma", fmt.Sprintf("busy_timeout(%d)", busyTimeout))
	query.Add("_pragma", fmt.Sprintf("cache_size(-%d)", cache))
	query.Add("_pragma", "synchronous(FULL)")
	query.Add("_pragma", "temp_store(MEMORY)")
	query.Add("_defensive", "1")
	query.Add("_error_rc", "1")
	query.Add("_dqs", "0")
	for i := 0; i < len(parameters); i += 2 {
		query.Add(parameters[i], parameters[i+1])
	}
	connector, err := driver.NewConnector((&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: query.Encode()}).String())
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db, nil
}

// damage makes errors that say that a file is no database, or a damaged one, ErrDamaged.
func damage(err error) error {
	var failed *driver.Error
	if errors.As(err, &failed) {
		switch failed.Code() & 0xff {
		case codes.SQLITE_CORRUPT, codes.SQLITE_NOTADB:
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
	}
	return err
}

// Close waits for what is being written. What is asked afterwards fails.
func (s *Store) Close() (err error) {
	s.closing.Do(func() { err = s.close() })
	return err
}

func (s *Store) close() error {
	var errs []error
	if s.readers != nil {
		errs = append(errs, s.readers.Close())
	}
	if s.writer != nil {
		errs = append(errs, s.writer.close())
	}
	if s.read.Codec != nil {
		s.read.Codec.Close()
	}
	if err := errors.Join(append(errs, s.lock.Release())...); err != nil {
		return fmt.Errorf("closing the store in %s: %w", s.dir, err)
	}
	return nil
}
