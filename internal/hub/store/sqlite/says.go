package sqlite

import (
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/assay-gitops/assay/internal/hub/store"
	"github.com/assay-gitops/assay/internal/hub/store/columns"
	"github.com/assay-gitops/assay/internal/hub/store/fold"
	"github.com/assay-gitops/assay/internal/sink"
)

// says is what a result says in a few bits: its life (3), status (2), whether it is enforced (1), and what it counts as (3).
type says int64

var (
	lives    = fold.Lives
	statuses = []store.Status{store.Open, store.Resolved, store.Excepted}
)

func saysOf(life sink.Life, r store.Reading) says {
	s := says(slices.Index(lives, life) | slices.Index(statuses, r.Status)<<3 | int(r.Day)<<6)
	if r.Enforced {
		s |= 1 << 5
	}
	return s
}

func (s says) life() sink.Life      { return at(lives, int(s&7)) }
func (s says) status() store.Status { return at(statuses, int(s>>3&3)) }
func (s says) enforced() bool       { return s>>5&1 == 1 }
func (s says) tick() store.Tick     { return store.Tick(s >> 6 & 7) } //nolint:gosec // three bits

// at is the value with a number from the database; the zero value when there is none.
func at[T any](list []T, i int) (value T) {
	if i >= 0 && i < len(list) {
		value = list[i]
	}
	return value
}

// resultID is the ID of a result as history has it: shorter when it is a UUID as they are usually written.
func resultID(id string) any {
	if raw, ok := uuid(id); ok {
		return raw
	}
	return id
}

func uuid(id string) ([]byte, bool) {
	if len(id) != 36 || id[8] != '-' || id[13] != '-' || id[18] != '-' || id[23] != '-' || strings.ToLower(id) != id {
		return nil, false
	}
	raw, err := hex.DecodeString(strings.ReplaceAll(id, "-", ""))
	return raw, err == nil && len(raw) == 16
}

// resultIDText is the ID that resultID shortened.
func resultIDText(id any) string {
	switch id := id.(type) {
	case []byte:
		text := hex.EncodeToString(id)
		if len(text) == 32 {
			return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
		}
		return text
	case string:
		return id
	}
	return ""
}

// ticks are entries of package columns by day.
type ticks map[int32][]uint32

func (t ticks) add(slot uint32, nanoseconds int64, tick store.Tick) {
	if tick >= store.TickOpened && tick <= store.TickWarned {
		day := store.DayOf(time.Unix(0, nanoseconds))
		t[day] = append(t[day], columns.Entry(slot, tick))
	}
}

func encodeEntries(entries []uint32) []byte {
	encoded := make([]byte, 0, 4*len(entries))
	for _, e := range entries {
		encoded = binary.LittleEndian.AppendUint32(encoded, e)
	}
	return encoded
}

func decodeEntries(encoded []byte) []uint32 {
	entries := make([]uint32, 0, len(encoded)/4)
	for ; len(encoded) >= 4; encoded = encoded[4:] {
		entries = append(entries, binary.LittleEndian.Uint32(encoded))
	}
	return entries
}
