package search

import (
	"math/bits"
	"slices"
	"strconv"
	"time"

	"github.com/assay-gitops/assay/internal/hub/store"
	"github.com/assay-gitops/assay/internal/hub/store/fold"
	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/internal/words"
)

// document is a violation as the server has it: what is looked for, what is kept, and the newest result. No field but the last is ever left
// out, as an update would leave what was there.
type document struct {
	ID string `json:"id"`
	// Place is cluster and namespace, for scopes.
	Place      string       `json:"place"`
	Cluster    string       `json:"cluster"`
	Gate       string       `json:"gate"`
	Kind       string       `json:"kind"`
	Namespace  string       `json:"namespace"`
	Name       string       `json:"name"`
	Workspace  string       `json:"workspace"`
	App        string       `json:"app"`
	Policy     string       `json:"policy"`
	PolicyName string       `json:"policyName"`
	Category   string       `json:"category"`
	Severity   string       `json:"severity"`
	Rank       int64        `json:"rank"`
	Standards  []string     `json:"standards"`
	Controls   []string     `json:"controls"`
	Status     store.Status `json:"status"`
	Exception  string       `json:"exception"`
	Enforced   bool         `json:"enforced"`
	Hidden     bool         `json:"hidden"`
	First      int64        `json:"first"`
	Last       int64        `json:"last"`
	Words      string       `json:"words"`
	Ticks      []int32      `json:"ticks"`

	Kept kept `json:"kept"`
	// Result is the newest, as fold.Codec writes it.
	Result []byte `json:"result,omitempty"`
}

// kept is what is known of a violation.
type kept struct {
	Cluster   string `json:"cluster"`
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	fold.State[*fold.Facts]
	// Definition is the ID of the record of the newest result's policy.
	Definition string `json:"definition"`
	// Pending are results that may not be in the history.
	Pending []string `json:"pending"`
}

// keptFields are what is read of a document to change it.
var keptFields = []string{"kept", "ticks"}

func stub(f *fold.Facts) bool { return f != nil && f.Stub }

// documentOf a violation, without its newest result.
func documentOf(key store.Key, k *kept, t ticks) *document {
	f := k.Policy
	d := &document{
		ID: key.String(), Place: placeOf(k.Cluster, k.Namespace), Cluster: term(k.Cluster), Gate: term(k.Gate), Kind: term(k.Kind),
		Namespace: term(k.Namespace), Name: term(k.Name), Workspace: term(k.Workspace), App: term(k.App),
		Policy: term(f.PolicyID), PolicyName: term(f.Name), Category: term(f.Category), Severity: term(f.Severity), Rank: store.Rank(f.Severity),
		Standards: []string{}, Controls: []string{}, Status: k.Status, Enforced: k.Enforced, Hidden: k.Hidden, First: k.First, Last: k.Last,
		Words: wordsOf(k.Message, k.Name, f.Name, f.PolicyID), Ticks: t.encode(), Kept: *k,
	}
	if k.Status == store.Excepted {
		d.Exception = term(k.Resolution)
	}
	for _, s := range f.Standards {
		d.Standards = append(d.Standards, term(s.ID))
		for _, control := range s.Controls {
			d.Controls = append(d.Controls, term(s.ID+"/"+control))
		}
	}
	return d
}

// placeOf is different for each pair.
func placeOf(cluster, namespace string) string {
	return term(strconv.Itoa(len(cluster)) + ":" + cluster + "/" + namespace)
}

// shown is the violation as people are told.
func (k *kept) shown(key store.Key) store.Violation {
	v := k.Show(key, k.Policy)
	v.Cluster, v.Kind, v.Namespace, v.Name = k.Cluster, k.Kind, k.Namespace, k.Name
	return v
}

// event is a result as history has it.
type event struct {
	ID         string       `json:"id"`
	Violation  string       `json:"violation"`
	Result     string       `json:"result"`
	Time       int64        `json:"time"`
	ResultID   string       `json:"resultID"`
	Life       sink.Life    `json:"life"`
	Status     store.Status `json:"status"`
	Resolution string       `json:"resolution"`
	Enforced   bool         `json:"enforced"`
	Operation  string       `json:"operation"`
	User       string       `json:"user,omitempty"`
	Message    string       `json:"message"`
	Revision   string       `json:"revision"`
	Pass       string       `json:"pass"`
}

func eventOf(it *fold.Item) *event {
	r := it.Result
	e := &event{
		ID: eventID(it.Key, it.ID), Violation: it.Key.String(), Result: term(it.ID), Time: it.At, ResultID: it.ID, Life: r.Life,
		Status: it.Reading.Status, Resolution: it.Reading.Resolution, Enforced: it.Reading.Enforced, Operation: string(r.Operation), User: words.Cut(r.User, maxMessage),
		Message: words.Cut(r.Validation.Message, maxMessage), Pass: r.Pass,
	}
	if r.App != nil {
		e.Revision = r.App.Revision
	}
	return e
}

// eventID of a result of a violation.
func eventID(key store.Key, result string) string { return hashOf(key.String(), result) }

func (e *event) shown() store.Event {
	return store.Event{
		ResultID: e.ResultID, Time: time.Unix(0, e.Time).UTC(), Life: e.Life, Status: e.Status, Resolution: e.Resolution, Enforced: e.Enforced,
		Operation: e.Operation, User: e.User, Message: e.Message, Revision: e.Revision, Pass: e.Pass,
	}
}

// ticks are how many results of a violation count as what, by day and store.Tick.
//
// A server counts documents, and not values, so a count is written as its bits: each is a value of its own, of day, tick and place. How many
// documents have a value, times what the bit is worth, added up, is how many results there are. So one number of each day and bit is what
// a timeline is made of, whatever the filter, without a document for each day.
type ticks map[tick]uint32

type tick struct {
	day  int32
	what store.Tick
}

// perTick and perDay are how many values there are for each.
const (
	perTick = 32
	perDay  = 4 * perTick
)

func (t ticks) add(nanoseconds int64, what store.Tick) {
	if what >= store.TickOpened && what <= store.TickWarned {
		t[tick{store.DayOf(time.Unix(0, nanoseconds)), what}]++
	}
}

func (t ticks) encode() []int32 {
	values := []int32{}
	for k, n := range t {
		for bit := range bits.Len32(n) {
			if n>>bit&1 == 1 {
				values = append(values, k.day*perDay+int32(k.what-1)*perTick+int32(bit)) //nolint:gosec // below 32
			}
		}
	}
	slices.Sort(values)
	return values
}

// decodeTick is what a value says: a day, what is counted, and how many a document with it has.
func decodeTick(value int32) (k tick, n uint32) {
	return tick{value / perDay, store.Tick(value%perDay/perTick) + 1}, 1 << (value % perTick) //nolint:gosec // four
}

func decodeTicks(values []int32) ticks {
	t := ticks{}
	for _, value := range values {
		k, n := decodeTick(value)
		t[k] += n
	}
	return t
}
