package store

import (
	"encoding/hex"
	"math"
	"slices"
	"strings"
	"time"
)

// Key is the ID of a violation as bytes.
type Key [16]byte

// String is the ID as ID writes it.
func (k Key) String() string { return hex.EncodeToString(k[:]) }

// ParseKey reads what String writes; false is no ID.
func ParseKey(id string) (Key, bool) {
	var k Key
	if len(id) != 2*len(k) || strings.ToLower(id) != id {
		return k, false
	}
	_, err := hex.Decode(k[:], []byte(id))
	return k, err == nil
}

// Rank of a severity grows with what is at stake; severities that nobody knows are below all others.
func Rank(severity string) int64 {
	return int64(slices.Index([]string{"low", "medium", "high", "critical"}, severity))
}

// DayOf a time is the number of its day since 1970, UTC.
func DayOf(t time.Time) int32 {
	day := math.Floor(float64(t.Unix()) / (24 * 60 * 60))
	return int32(max(math.MinInt32, min(math.MaxInt32, day)))
}
