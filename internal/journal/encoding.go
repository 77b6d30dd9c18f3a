package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// Record is one result in the journal.
type Record struct {
	// ID is unique and stays the same when the record is delivered again. 1 to 256 bytes.
	ID string
	// Time is when it happened; what is older than Options.MaxAge is dropped by the time of appending.
	Time time.Time
	// Payload is not changed by anyone once the record was appended.
	Payload []byte

	// seq is the number of the record, from 1 and without gaps as long as nothing is lost.
	seq uint64
}

const maxID = 256

// formatVersion is in the header of each file. A reader refuses versions it does not know, so that an older Assay does
// not destroy what a newer one wrote.
const formatVersion = 1

// magic begins the header.
const magic = "assay-journal"

// A file begins with a header, then come records; numbers are big-endian.
//
//	header: kind 1, magic, version (2 bytes), number of the first record (8)
//	record: kind 2, number (8), time in nanoseconds since 1970 (8), length of the ID (2), ID, payload
const (
	kindHeader = 1
	kindRecord = 2
)

// errNewer is what an older Assay says to the files of a newer one.
var errNewer = errors.New("was written by a newer version of Assay; use that version, or another folder")

func appendHeader(b []byte, first uint64) []byte {
	b = append(b, kindHeader)
	b = append(b, magic...)
	b = binary.BigEndian.AppendUint16(b, formatVersion)
	return binary.BigEndian.AppendUint64(b, first)
}

func parseHeader(b []byte) (first uint64, err error) {
	if len(b) < 1+len(magic)+2 || b[0] != kindHeader || string(b[1:1+len(magic)]) != magic {
		return 0, errors.New("does not begin with a header")
	}
	b = b[1+len(magic):]
	if version := binary.BigEndian.Uint16(b); version > formatVersion {
		return 0, fmt.Errorf("%w (format %d, known up to %d)", errNewer, version, formatVersion)
	}
	if len(b) != 2+8 {
		return 0, errors.New("has a header of the wrong length")
	}
	return binary.BigEndian.Uint64(b[2:]), nil
}

const recordOverhead = 1 + 8 + 8 + 2

func (r *Record) size() int { return recordOverhead + len(r.ID) + len(r.Payload) }

func (r *Record) appendTo(b []byte) []byte {
	b = append(b, kindRecord)
	b = binary.BigEndian.AppendUint64(b, r.seq)
	b = binary.BigEndian.AppendUint64(b, uint64(r.Time.UnixNano()))
	b = binary.BigEndian.AppendUint16(b, uint16(len(r.ID)))
	b = append(b, r.ID...)
	return append(b, r.Payload...)
}

// parseRecord copies what it needs of b.
func parseRecord(b []byte) (Record, error) {
	if len(b) < recordOverhead || b[0] != kindRecord {
		return Record{}, errors.New("not a record")
	}
	r := Record{
		seq:  binary.BigEndian.Uint64(b[1:]),
		Time: time.Unix(0, int64(binary.BigEndian.Uint64(b[9:]))).UTC(),
	}
	n := int(binary.BigEndian.Uint16(b[17:]))
	b = b[recordOverhead:]
	if len(b) < n {
		return Record{}, errors.New("record is shorter than its ID")
	}
	r.ID = string(b[:n])
	r.Payload = append([]byte(nil), b[n:]...)
	return r, nil
}
