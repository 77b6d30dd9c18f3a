package journal

import (
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Sync says when what was appended is forced to the disk, which matters when the machine loses power.
type Sync string

// The policies.
const (
	// SyncInterval forces it every Options.SyncEvery.
	SyncInterval Sync = "interval"
	// SyncAlways forces it before Append returns; appenders that come together share it.
	SyncAlways Sync = "always"
	// SyncNever leaves it to the kernel.
	SyncNever Sync = "never"
)

// Options of a journal. The zero value means the defaults.
type Options struct {
	// MaxBytes bounds the files, compressed as they are; 1 GiB by default, at least 1 MiB. A file that a reader is in the
	// middle of is freed when the reader moves on.
	MaxBytes int64
	// MaxAge of a record; 7 days by default.
	MaxAge time.Duration
	// SegmentBytes is how large a file gets before the next one is begun, and what is dropped at a time; MaxBytes/64 by
	// default, between 64 KiB and 16 MiB.
	SegmentBytes int64
	// MaxRecordBytes bounds the payload of a record; 4 MiB by default.
	MaxRecordBytes int
	// BufferBytes bounds the records kept in memory while the disk cannot be written; 16 MiB by default.
	BufferBytes int64
	// Sync is SyncInterval by default, and SyncEvery a second.
	Sync      Sync
	SyncEvery time.Duration
	// Logger is told about damage, drops and disks; nobody by default.
	Logger *slog.Logger
}

func (o Options) withDefaults() (Options, error) {
	setDefault(&o.MaxBytes, 1<<30)
	setDefault(&o.MaxAge, 7*24*time.Hour)
	setDefault(&o.SegmentBytes, min(max(o.MaxBytes/64, 64<<10), 16<<20))
	setDefault(&o.MaxRecordBytes, 4<<20)
	setDefault(&o.BufferBytes, 16<<20)
	setDefault(&o.Sync, SyncInterval)
	setDefault(&o.SyncEvery, time.Second)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	switch {
	case o.MaxBytes < 1<<20:
		return o, fmt.Errorf("the journal may take %d bytes at most, and needs at least %d", o.MaxBytes, 1<<20)
	case o.SegmentBytes < 32<<10 || o.SegmentBytes > min(o.MaxBytes/2, maxSegmentBytes/2):
		return o, fmt.Errorf("a file of the journal cannot be %d bytes: give between %d and half of what the journal may take, %d", o.SegmentBytes, 32<<10, o.MaxBytes/2)
	case o.MaxAge < 0 || o.SyncEvery < 0 || o.BufferBytes < 0:
		return o, errors.New("ages, intervals and sizes of a journal cannot be negative")
	case o.MaxRecordBytes < 0 || o.MaxRecordBytes > maxSegmentBytes/4:
		return o, fmt.Errorf("a record of the journal cannot have %d bytes: give at most %d", o.MaxRecordBytes, maxSegmentBytes/4)
	case o.Sync != SyncInterval && o.Sync != SyncAlways && o.Sync != SyncNever:
		return o, fmt.Errorf("the journal cannot be synced %q: choose %q, %q or %q", o.Sync, SyncInterval, SyncAlways, SyncNever)
	}
	return o, nil
}

func setDefault[T comparable](value *T, otherwise T) {
	var zero T
	if *value == zero {
		*value = otherwise
	}
}
