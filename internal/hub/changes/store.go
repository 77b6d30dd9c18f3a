package changes

import (
	"context"
	"crypto/cipher"
	"log/slog"
	"sync"
	"time"

	"github.com/assay-gitops/assay/internal/hub/store"
	"github.com/assay-gitops/assay/internal/sink"
)

const (
	// maxWindow and maxBytes bound the changes that are kept for followers.
	maxWindow = 4096
	maxBytes  = 16 << 20
	// maxWaiting bounds the violations that are to be read again. When there are more, followers are told that they lost some.
	maxWaiting = 5_000
	// linger is how long changes are kept after the last follower left, who may come back.
	linger = time.Minute
	// maxHistory bounds what is read of one violation, maxRead how many are read at once.
	maxHistory = 1000
	maxRead    = 200
)

// Store is a store whose changes can be followed. It is safe for concurrent use.
type Store struct {
	store.Store
	logger *slog.Logger
	now    func() time.Time
	sealed cipher.AEAD

	// reading ends with the store.
	reading context.Context
	end     context.CancelFunc
	worker  sync.WaitGroup

	mu sync.Mutex
	// waiting are violations that are to be read, order their ids as they came.
	waiting map[string]*news
	order   []string
	working bool
	// window are the newest changes, place how many there were with the last of them.
	window []Change
	bytes  int
	place  uint64
	// came is closed when there is more.
	came      chan struct{}
	followers int
	left      time.Time
}

// Options may be left out.
type Options struct {
	Logger *slog.Logger
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// New is a store around another one, which it closes when it is closed.
func New(kept store.Store, o Options) (*Store, error) {
	sealed, err := newSeal()
	if err != nil {
		return nil, err
	}
	s := &Store{Store: kept, logger: o.Logger, now: o.Now, sealed: sealed, waiting: map[string]*news{}, came: make(chan struct{})}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	s.reading, s.end = context.WithCancel(context.Background())
	return s, nil
}

// Add implements store.Store. It does not wait for followers.
func (s *Store) Add(ctx context.Context, cluster string, results []*sink.Result) (int, error) {
	added, err := s.Store.Add(ctx, cluster, results)
	if err == nil && added > 0 {
		s.tell(cluster, results)
	}
	return added, err //nolint:wrapcheck // it is that store's
}

// Ended is closed when followers are to leave.
func (s *Store) Ended() <-chan struct{} { return s.reading.Done() }

// End tells followers to leave. The store can be used on.
func (s *Store) End() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end()
}

// Close implements store.Store.
func (s *Store) Close() error {
	s.End()
	s.worker.Wait()
	return s.Store.Close() //nolint:wrapcheck // it is that store's
}

// tell has the violations that results are about read, if somebody wants to know.
func (s *Store) tell(cluster string, results []*sink.Result) {
	s.mu.Lock()
	followed := s.followed()
	if !followed {
		s.lose()
	}
	s.mu.Unlock()
	if !followed {
		return
	}
	found := map[string]*news{}
	var order []string
	of := func(id string) *news {
		if found[id] == nil {
			found[id] = &news{results: map[string]bool{}}
			order = append(order, id)
		}
		return found[id]
	}
	for _, r := range results {
		if r.Life == sink.Unchanged {
			continue
		}
		v := &r.Validation
		reading := store.Read(r)
		one := of(store.ID(cluster, r.Gate, v.Policy.ID, &v.Entity))
		one.results[v.ID] = true
		one.wrong = one.wrong || reading.Wrong
		if r.Gate == sink.Audit && reading.Status == store.Resolved {
			// What admission warned about is then resolved as well.
			of(store.ID(cluster, sink.Admission, v.Policy.ID, &v.Entity))
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reading.Err() != nil {
		return
	}
	for _, id := range order {
		one := s.waiting[id]
		if one == nil {
			s.waiting[id], s.order = found[id], append(s.order, id)
			continue
		}
		one.wrong = one.wrong || found[id].wrong
		for result := range found[id].results {
			one.results[result] = true
		}
	}
	if len(s.order) > maxWaiting {
		s.waiting, s.order = map[string]*news{}, nil
		s.lose()
	}
	if len(s.order) > 0 && !s.working {
		s.working = true
		s.worker.Go(s.work)
	}
}

// followed tells whether changes are wanted. It runs with s.mu held.
func (s *Store) followed() bool {
	return s.reading.Err() == nil && (s.followers > 0 || !s.left.IsZero() && s.now().Sub(s.left) < linger)
}

// lose makes a gap: followers that are before it are told that they lost something. It runs with s.mu held.
func (s *Store) lose() {
	s.window, s.bytes = nil, 0
	s.place++
	s.wake()
}

// wake runs with s.mu held.
func (s *Store) wake() {
	close(s.came)
	s.came = make(chan struct{})
}

// work reads what waits until nothing does.
func (s *Store) work() {
	for {
		s.mu.Lock()
		if len(s.order) == 0 || s.reading.Err() != nil {
			s.working = false
			s.mu.Unlock()
			return
		}
		n := min(len(s.order), maxRead)
		ids, some := s.order[:n:n], make(map[string]*news, n)
		s.order = s.order[n:]
		for _, id := range ids {
			some[id] = s.waiting[id]
			delete(s.waiting, id)
		}
		s.mu.Unlock()

		changes, err := s.read(ids, some)
		s.mu.Lock()
		if err != nil && s.reading.Err() == nil {
			s.logger.Error("violations that changed could not be read; those who follow are told that they lost something", "violations", n, "error", err)
			s.lose()
		}
		for _, c := range changes {
			s.keep(c)
		}
		s.mu.Unlock()
	}
}

// read finds out what became of violations, in their order.
func (s *Store) read(ids []string, some map[string]*news) ([]*Change, error) {
	const unchanged = 4 // results that may have come meanwhile
	most := 0
	for _, one := range some {
		most = max(most, len(one.results))
	}
	found, err := store.Several(s.reading, s.Store, store.Scope{All: true}, ids, min(most+unchanged, maxHistory))
	if err != nil {
		return nil, err //nolint:wrapcheck // it says what was read
	}
	var changes []*Change
	for _, id := range ids {
		v, is := found[id]
		if !is {
			continue // it only ever complied
		}
		if c := change(&v.Violation, v.History, some[id]); c != nil {
			changes = append(changes, c)
		}
	}
	return changes, nil
}

// keep runs with s.mu held.
func (s *Store) keep(c *Change) {
	s.place++
	c.place = s.place
	s.window = append(s.window, *c)
	s.bytes += c.size()
	for len(s.window) > maxWindow || s.bytes > maxBytes && len(s.window) > 1 {
		s.bytes -= s.window[0].size()
		s.window[0] = Change{}
		s.window = s.window[1:]
	}
	s.wake()
}
