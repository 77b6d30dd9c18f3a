package search

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/assay-gitops/assay/internal/hub/store"
	"github.com/assay-gitops/assay/internal/hub/store/fold"
	"github.com/assay-gitops/assay/internal/searchserver"
)

// DefaultPrefix is what the names of the indices begin with.
const DefaultPrefix = "assay-hub"

// maxAnswer bounds the memory of one answer: a page of a thousand violations with the longest messages fits.
const maxAnswer = 128 << 20

// openTimeout is how long Open waits for a server that does not answer.
const openTimeout = 15 * time.Second

// Options of a store. The address of the server is required.
type Options struct {
	Server searchserver.Options
	// Prefix of the names of the indices; DefaultPrefix when it is empty.
	Prefix string
	// Logger is told what does not fail anybody's request; slog.Default when it is nil.
	Logger *slog.Logger
	// Now is the hub's clock; time.Now when it is nil.
	Now func() time.Time
}

// Store is in one search server. It is safe for concurrent use, and any number of hubs may have the same.
type Store struct {
	options Options
	server  *searchserver.Client
	read    fold.Reader

	violations, history, records *index

	// ready is whether the indices are there, preparing who looks.
	ready     atomic.Bool
	preparing chan struct{}
	// declaring lets one declaration be made at a time.
	declaring chan struct{}
	policies  policies
	closing   sync.Once
}

var _ store.Store = (*Store)(nil)

// index is one, or rather the alias that it is known by.
type index struct {
	name     string
	mappings object

	// written counts what this process wrote, refreshed how much of that is to be found. Who refreshes has the turn.
	written, refreshed atomic.Int64
	turn               chan struct{}
}

// Open makes the indices that are not there. A server that is away is no error: it is tried again whenever something is asked, and answered
// with store.ErrUnavailable until it is there. One that does not take the credentials, or that has indices of a newer version, is an error.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Prefix == "" {
		o.Prefix = DefaultPrefix
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if err := searchserver.CheckIndex(o.Prefix); err != nil {
		return nil, err //nolint:wrapcheck // it says what is wrong
	}
	o.Server.MaxAnswer = maxAnswer
	o.Server.Rights = "read, write, create_index, view_index_metadata, monitor and manage on " + o.Prefix + "-*"
	server, err := searchserver.New(o.Server)
	if err != nil {
		return nil, err //nolint:wrapcheck // it says what is wrong
	}
	s := &Store{options: o, server: server, preparing: make(chan struct{}, 1), declaring: make(chan struct{}, 1)}
	s.violations = newIndex(o.Prefix+"-violations", violationFields())
	s.history = newIndex(o.Prefix+"-history", historyFields())
	s.records = newIndex(o.Prefix+"-records", recordFields())
	soon, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	err = s.prepare(soon)
	if ctx.Err() == nil && (errors.Is(err, store.ErrUnavailable) || soon.Err() != nil) {
		o.Logger.Warn("the search server is away; the hub answers what it can, and tries again when something is asked", "server", server.Host(), "error", err)
	} else if err != nil {
		return nil, err
	}
	if s.read.Codec, err = fold.NewCodec(); err != nil {
		return nil, fmt.Errorf("opening the store: %w", err)
	}
	return s, nil
}

// Close gives back memory. Nothing is waiting to be written.
func (s *Store) Close() error {
	s.closing.Do(s.read.Codec.Close)
	return nil
}

// ErrBackup is what Backup answers.
var ErrBackup = errors.New("a store in a search server is backed up by the server's own snapshots (_snapshot), of the indices that begin with its prefix")

// Backup implements store.Store: it is an error.
func (s *Store) Backup(context.Context, string) error { return ErrBackup }
