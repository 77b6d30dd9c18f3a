package fold

import (
	"fmt"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/assay-gitops/assay/internal/hub/store"
	"github.com/assay-gitops/assay/internal/sink"
)

// Lives are the stages of a finding that there are. Stores refer to them by their place.
var Lives = []sink.Life{"", sink.Opened, sink.Unchanged, sink.Changed, sink.Resolved}

// Item is a result that is to be added, with all that can be known before it is its turn.
type Item struct {
	Result *sink.Result
	// ID is the result's, At its time in nanoseconds since 1970, Key its violation's.
	ID      string
	At      int64
	Key     store.Key
	Reading store.Reading
	// Closes tells that audit says that the violation is resolved, Asks that audit may have said so of one of admission. Other is the violation
	// of the other gate, if that matters.
	Closes, Asks bool
	Other        store.Key

	// Document is the result as Codec writes it.
	Document   []byte
	Definition *Definition
	// Said and Content are for a Reader with Bare.
	Said    []byte
	Content Content
}

// Reader reads results. It is safe for concurrent use.
type Reader struct {
	Codec *Codec
	// Bare is for a store that keeps apart what differs in each result though it says the same: Said is the document's text without that. Document
	// is the same compressed, and nil when audit says that nothing changed: most likely the store has it.
	Bare        bool
	definitions definitions
}

// Items reads results of a cluster. What makes no sense is store.ErrInvalid. Encoding their documents is most of the work of adding them, so
// every processor does some.
func (r *Reader) Items(cluster string, results []*sink.Result) ([]Item, error) {
	if cluster == "" {
		return nil, fmt.Errorf("%w: the cluster has no name", store.ErrInvalid)
	}
	items := make([]Item, len(results))
	part := max(minPart, (len(results)+runtime.GOMAXPROCS(0)-1)/runtime.GOMAXPROCS(0))
	var group errgroup.Group
	for first := 0; first < len(results); first += part {
		group.Go(func() (err error) {
			var e encoder
			for i := first; i < min(first+part, len(results)) && err == nil; i++ {
				items[i], err = r.item(&e, cluster, results[i])
			}
			return err
		})
	}
	return items, group.Wait() //nolint:wrapcheck // it says which result
}

// minPart is how many results are worth a goroutine.
const minPart = 16

// Results are of times that nanoseconds can tell, and of this age.
var (
	Earliest = time.Date(1970, 1, 1, 0, 0, 0, 1, time.UTC)
	Latest   = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)
)

func (r *Reader) item(e *encoder, cluster string, result *sink.Result) (Item, error) {
	if result == nil {
		return Item{}, fmt.Errorf("%w: a result is nil", store.ErrInvalid)
	}
	v := &result.Validation
	switch {
	case v.ID == "":
		return Item{}, fmt.Errorf("%w: a result of policy %q has no ID", store.ErrInvalid, v.Policy.ID)
	case result.Gate == "" || v.Policy.ID == "":
		return Item{}, fmt.Errorf("%w: the result %s has no gate or no policy", store.ErrInvalid, v.ID)
	case v.CreatedAt.Before(Earliest) || v.CreatedAt.After(Latest):
		return Item{}, fmt.Errorf("%w: the result %s is of %s: that is no time of this age", store.ErrInvalid, v.ID, v.CreatedAt.Format(time.RFC3339))
	case !slices.Contains(Lives, result.Life):
		return Item{}, fmt.Errorf("reading the result %s: %w: there is no stage %q of a finding", v.ID, store.ErrInvalid, result.Life)
	}
	key := func(gate sink.Gate) store.Key { return store.KeyOf(cluster, gate, v.Policy.ID, &v.Entity) }
	it := Item{Result: result, ID: v.ID, At: v.CreatedAt.UnixNano(), Reading: store.Read(result), Key: key(result.Gate)}
	switch result.Gate {
	case sink.Audit:
		it.Closes = result.Life == sink.Resolved || it.Reading.Status == store.Resolved
		it.Other = key(sink.Admission)
	case sink.Admission:
		it.Asks = true
		it.Other = key(sink.Audit)
	}
	err := r.encode(e, cluster, &it)
	if err != nil {
		return Item{}, fmt.Errorf("%w: encoding the result %s: %w", store.ErrInvalid, v.ID, err)
	}
	return it, nil
}

func (r *Reader) encode(e *encoder, cluster string, it *Item) (err error) {
	if it.Definition, err = r.definitions.of(cluster, &it.Result.Validation.Policy); err != nil {
		return err
	}
	if !r.Bare {
		it.Document, err = r.Codec.Document(it.Result)
		return err
	}
	if it.Said, err = e.said(*it.Result); err != nil {
		return err
	}
	it.Content = contentOf(it.Said, it.Definition)
	if it.Result.Life != sink.Unchanged {
		it.Document = r.Codec.Compress(it.Said)
	}
	return nil
}
