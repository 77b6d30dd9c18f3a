// Package journal is a durable ordered log of results, with a cursor for each reader. Gates append to it and sinks read
// it, so that a sink that is down delays itself and nothing else.
//
//	j, recovery, err := journal.Open(dir, journal.Options{})
//	err = j.Append(ctx, journal.Record{ID: id, Time: now, Payload: document})
//
//	r, err := j.Reader("elastic")
//	batch, err := r.Next(ctx, 500, 4<<20)
//	// deliver batch.Records, then
//	err = r.Commit(batch)
//
// # What survives
//
// Append returns when write(2) has given the records to the kernel, so they survive a kill -9 of the process. What
// survives the machine losing power is what Options.Sync says: with SyncAlways all that Append acknowledged, with
// SyncInterval all but the last second of it, with SyncNever what the kernel has written back by itself.
//
// Delivery is at least once: a reader gets again what it had not committed when the process died. Record.ID is what makes
// delivery idempotent.
//
// # What is lost, and who is told
//
// The journal is bounded by bytes and by age and drops the oldest records first, a file at a time. Every record has a
// number, so a reader is told in Batch.Lost how many of those it had not seen are gone, whatever the reason: dropped,
// damaged on disk, or given up while the disk was full.
//
// When the disk refuses to be written, records are kept in memory, bounded by Options.BufferBytes, and Append returns
// ErrBuffered at once. Readers are served from there meanwhile; the journal tries again by itself and writes the records
// once it can.
//
// # On disk
//
// The log is Prometheus' write-ahead log (tsdb/wlog): files of pages of 32 KiB with a checksum for each piece of a record,
// compressed by zstd. The first record of each file is a header with the version of the format and the number of the first
// record, see encoding.go. A cursor is a line of fixed length in a file of its own, overwritten in place, which works on a
// full disk as well.
package journal
