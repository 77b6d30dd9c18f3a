package columns

import (
	"fmt"
	"maps"
	"time"

	"github.com/assay-gitops/assay/internal/hub/store"
)

// Violation is what the index knows of one. Cluster, gate, kind, namespace and name follow from the key and never change.
type Violation struct {
	Key                                                  store.Key
	Cluster, Gate, Kind, Namespace, Name, Workspace, App string
	PolicyID, PolicyName, Category, Severity, Message    string
	Standards                                            []store.Standard
	Status                                               store.Status
	// Resolution says why it is resolved, or which exception accepts it.
	Resolution string
	Enforced   bool
	// Hidden is one of an object that was only ever said to comply.
	Hidden    bool
	FirstSeen time.Time
	LastSeen  time.Time
}

// MaxSlots is how many violations there can be at a time.
const MaxSlots = 1 << 30

const (
	chunkBits = 13
	chunkRows = 1 << chunkBits
)

// row is a violation. It has no pointers, so that the garbage collector does not look at it.
type row struct {
	first, last                                          int64 // nanoseconds since 1970
	key                                                  store.Key
	policy                                               uint32
	cluster, gate, kind, namespace, name, workspace, app uint32
	message                                              uint32
	resolution                                           uint32
	status                                               uint8
	enforced, shown, used                                bool
}

// The statuses as rows have them.
var statuses = [...]store.Status{store.Open, store.Resolved, store.Excepted}

// Numbers of statuses.
const (
	open = iota
	resolved
	excepted
)

func statusNumber(s store.Status) uint8 {
	for i, status := range statuses {
		if s == status {
			return uint8(i) //nolint:gosec // there are three
		}
	}
	return uint8(len(statuses))
}

// Index of violations, each in a slot: a small number, given by the index and used again when a violation is gone. It is not safe for
// concurrent use, but for the methods that only read.
type Index struct {
	chunks []*[chunkRows]row
	// end is after the last slot that was ever given.
	end   uint32
	free  []uint32
	slots map[store.Key]uint32

	clusters, gates, kinds, namespaces, workspaces, apps dict
	names                                                dict
	policies                                             policies
	messages                                             dict
	// resolutions begin with the empty one.
	resolutions dict

	days        map[int32][]uint32
	shown, open int
}

// New is an index of nothing.
func New() *Index {
	x := &Index{slots: map[store.Key]uint32{}, days: map[int32][]uint32{}}
	x.resolutions.add("")
	return x
}

// Slot of the violation with a key.
func (x *Index) Slot(key store.Key) (uint32, bool) {
	slot, found := x.slots[key]
	return slot, found
}

// Shown is how many violations there are that are not hidden, Open how many of them are open.
func (x *Index) Shown() int { return x.shown }

// End is after the last slot that is in use.
func (x *Index) End() uint32 { return x.end }

// Open is how many violations are open.
func (x *Index) Open() int { return x.open }

// Reserve gives a slot that is free. It belongs to the caller until Put or Release.
func (x *Index) Reserve() (uint32, error) {
	if n := len(x.free); n > 0 {
		slot := x.free[n-1]
		x.free = x.free[:n-1]
		return slot, nil
	}
	if x.end == MaxSlots {
		return 0, fmt.Errorf("there are %d violations: no more can be kept", MaxSlots)
	}
	x.end++
	return x.end - 1, nil
}

// Release gives a slot back that was reserved.
func (x *Index) Release(slot uint32) { x.free = append(x.free, slot) }

// Expect makes room for so many violations.
func (x *Index) Expect(violations int) {
	slots := make(map[store.Key]uint32, violations)
	maps.Copy(slots, x.slots)
	x.slots = slots
}

// Load puts a violation into the slot that it had, when the index is filled. Then Loaded has to be called.
func (x *Index) Load(slot uint32, v *Violation) error {
	if slot >= MaxSlots {
		return fmt.Errorf("slot %d is not one of %d", slot, MaxSlots)
	}
	if _, twice := x.slots[v.Key]; twice {
		return fmt.Errorf("violation %s is there twice", v.Key)
	}
	x.end = max(x.end, slot+1)
	x.Put(slot, v)
	return nil
}

// Loaded ends Load: slots between are free.
func (x *Index) Loaded() {
	for slot := range x.end {
		if c := slot >> chunkBits; int(c) >= len(x.chunks) || !x.row(slot).used {
			x.free = append(x.free, slot)
		}
	}
}

// Put sets the violation in a slot.
func (x *Index) Put(slot uint32, v *Violation) {
	for int(slot>>chunkBits) >= len(x.chunks) {
		x.chunks = append(x.chunks, new([chunkRows]row))
	}
	r := x.row(slot)
	x.uncount(r)
	if !r.used {
		*r = row{
			key: v.Key, used: true, cluster: x.clusters.add(v.Cluster), gate: x.gates.add(v.Gate), kind: x.kinds.add(v.Kind),
			namespace: x.namespaces.add(v.Namespace), name: x.names.add(v.Name),
		}
		x.slots[v.Key] = slot
	}
	r.first, r.last = v.FirstSeen.UnixNano(), v.LastSeen.UnixNano()
	r.workspace, r.app = x.workspaces.add(v.Workspace), x.apps.add(v.App)
	r.policy = x.policies.add(v)
	r.message = x.messages.add(withoutName(fold(v.Message), fold(v.Name)))
	r.resolution = x.resolutions.add(v.Resolution)
	r.status, r.enforced, r.shown = statusNumber(v.Status), v.Enforced, !v.Hidden
	x.count(r)
}

// Seen sets when a violation was last seen, in nanoseconds since 1970.
func (x *Index) Seen(slot uint32, last int64) { x.row(slot).last = last }

// Remove empties slots. What their results count as goes as well.
func (x *Index) Remove(slots []uint32) {
	if len(slots) == 0 {
		return
	}
	removed := make(bitmap, x.end/64+1)
	for _, slot := range slots {
		r := x.row(slot)
		x.uncount(r)
		delete(x.slots, r.key)
		*r = row{}
		removed.set(slot)
		x.free = append(x.free, slot)
	}
	for day, ticks := range x.days {
		x.days[day] = Without(ticks, removed.has)
	}
}

// exception is the number of the resolution that is the name of the exception which accepts the violation; 0 when none does.
func (r *row) exception() uint32 {
	if r.status != excepted {
		return 0
	}
	return r.resolution
}

func (x *Index) row(slot uint32) *row { return &x.chunks[slot>>chunkBits][slot&(chunkRows-1)] }

func (x *Index) count(r *row) {
	if r.shown {
		x.shown++
		if r.status == open {
			x.open++
		}
	}
}

func (x *Index) uncount(r *row) {
	if r.shown {
		x.shown--
		if r.status == open {
			x.open--
		}
	}
}

type bitmap []uint64

func (b bitmap) set(i uint32)      { b[i/64] |= 1 << (i % 64) }
func (b bitmap) has(i uint32) bool { return b[i/64]&(1<<(i%64)) != 0 }
