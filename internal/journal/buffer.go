package journal

// buffer keeps records, in order, while the disk cannot be written. Journal.mu guards it.
type buffer struct {
	records []Record
	bytes   int64
	limit   int64
}

// add returns how many of the oldest records it had to give up.
func (b *buffer) add(records []Record) (given uint64) {
	for _, r := range records {
		b.records = append(b.records, r)
		b.bytes += int64(r.size())
	}
	for b.bytes > b.limit && len(b.records) > 0 {
		b.remove(1)
		given++
	}
	return given
}

// remove takes the first n away.
func (b *buffer) remove(n int) {
	for i := range b.records[:n] {
		b.bytes -= int64(b.records[i].size())
		b.records[i] = Record{}
	}
	b.records = b.records[n:]
	if len(b.records) == 0 {
		b.records = nil
	}
}

// head is the first records, of about so many bytes.
func (b *buffer) head(bytes int) []Record {
	n, sum := 0, 0
	for n < len(b.records) && (n == 0 || sum < bytes) {
		sum += b.records[n].size()
		n++
	}
	return b.records[:n]
}

// from copies the records from a number on.
func (b *buffer) from(seq uint64, most, bytes int) []Record {
	var found []Record
	for _, r := range b.records {
		if r.seq < seq {
			continue
		}
		bytes -= len(r.Payload)
		if len(found) == most || len(found) > 0 && bytes < 0 {
			break
		}
		found = append(found, r)
	}
	return found
}
