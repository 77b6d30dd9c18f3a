package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"strings"
)

// uid of an object, in the 16 bytes that it has.
type uid [16]byte

// uidOf reads a uid. API servers may make up others than UUIDs; those are hashed.
func uidOf(text string) uid {
	if decoded, err := hex.DecodeString(strings.ReplaceAll(text, "-", "")); err == nil && len(decoded) == len(uid{}) && uid(decoded).String() == text {
		return uid(decoded)
	}
	sum := sha256.Sum256([]byte(text))
	return uid(sum[:16])
}

func (u uid) String() string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

// fingerprint is what is remembered of an object.
type fingerprint struct {
	// version is a hash of its resourceVersion; zero when it could not be judged.
	version uint64
	// view it was judged by, and the list in which it was last seen.
	view, list uint32
}

// versionOf hashes a resourceVersion: of one object, two states have different ones.
func versionOf(resourceVersion string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(resourceVersion)) //nolint:errcheck // a hash takes everything
	if sum := h.Sum64(); sum != 0 {
		return sum
	}
	return 1
}

// open is an object with findings.
type open struct {
	namespace, name string
	findings        []finding
}

// finding is a policy that an object violates.
type finding struct {
	policy string
	// digest of what it says.
	digest uint32
}

// memory is what is known of the objects of a kind.
type memory struct {
	known map[uid]fingerprint
	open  map[uid]*open
	// failed are the policies that could not be evaluated on an object.
	failed map[uid][]string
}

func newMemory() memory { return memory{map[uid]fingerprint{}, map[uid]*open{}, map[uid][]string{}} }

// forget an object, but for what is open.
func (m *memory) forget(id uid) {
	delete(m.known, id)
	delete(m.failed, id)
}

// find is the finding of a policy on an object.
func (m *memory) find(id uid, policy string) (uint32, bool) {
	if o := m.open[id]; o != nil {
		for _, f := range o.findings {
			if f.policy == policy {
				return f.digest, true
			}
		}
	}
	return 0, false
}

// set notes a finding and tells whether it is a new one.
func (m *memory) set(id uid, namespace, name string, f finding) (added bool) {
	o := m.open[id]
	if o == nil {
		o = &open{namespace: namespace, name: name}
		m.open[id] = o
	}
	for i := range o.findings {
		if o.findings[i].policy == f.policy {
			o.findings[i].digest = f.digest
			return false
		}
	}
	o.findings = append(o.findings, f)
	return true
}

// clear forgets a finding and tells whether there was one.
func (m *memory) clear(id uid, policy string) bool {
	o := m.open[id]
	if o == nil {
		return false
	}
	for i := range o.findings {
		if o.findings[i].policy != policy {
			continue
		}
		o.findings = append(o.findings[:i], o.findings[i+1:]...)
		if len(o.findings) == 0 {
			delete(m.open, id)
		}
		return true
	}
	return false
}
