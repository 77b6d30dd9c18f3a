package audit

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/assay-gitops/assay/internal/kube/objects"
)

// shardReader reads what a shardWriter wrote. The first error stays.
type shardReader struct {
	in       *bufio.Reader
	policies []string
	err      error
}

// maxText bounds a name: those of Kubernetes are shorter.
const maxText = 1024

func (r *shardReader) number() uint64 {
	if r.err != nil {
		return 0
	}
	var n uint64
	n, r.err = binary.ReadUvarint(r.in)
	return n
}

func (r *shardReader) bytes(into []byte) {
	if r.err == nil {
		_, r.err = io.ReadFull(r.in, into)
	}
}

func (r *shardReader) text() string {
	n := r.number()
	if r.err == nil && n > maxText {
		r.err = fmt.Errorf("a name of %d bytes", n)
	}
	if r.err != nil {
		return ""
	}
	text := make([]byte, n)
	r.bytes(text)
	return string(text)
}

// decodeShard adds what is open in a shard.
func decodeShard(content []byte, kinds map[schema.GroupResource]*stored) error {
	zip, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		return fmt.Errorf("decompressing: %w", err)
	}
	r := &shardReader{in: bufio.NewReader(io.LimitReader(zip, maxInflated))}
	if version := r.number(); r.err == nil && version != formatVersion {
		return fmt.Errorf("it has format %d, this version of Assay knows %d", version, formatVersion)
	}
	for r.err == nil {
		if _, err := r.in.Peek(1); errors.Is(err, io.EOF) {
			return nil
		}
		r.kind(kinds)
	}
	return fmt.Errorf("decoding: %w", r.err)
}

func (r *shardReader) kind(kinds map[schema.GroupResource]*stored) {
	resource := objects.Resource{GroupVersionResource: schema.GroupVersionResource{Group: r.text(), Version: r.text(), Resource: r.text()}, Kind: r.text()}
	resource.Namespaced = r.number() == 1
	s := kinds[resource.GroupResource()]
	if s == nil {
		s = &stored{resource, newMemory()}
	}
	for r.number() == 1 {
		r.object(s.memory.open)
	}
	if r.err == nil {
		kinds[resource.GroupResource()] = s
	}
}

func (r *shardReader) object(all map[uid]*open) {
	var id uid
	r.bytes(id[:])
	o := &open{namespace: r.text(), name: r.text()}
	for range r.number() {
		place := r.number()
		if r.err == nil && place == uint64(len(r.policies)) {
			r.policies = append(r.policies, r.text())
		}
		var digest [4]byte
		r.bytes(digest[:])
		if r.err == nil && place >= uint64(len(r.policies)) {
			r.err = fmt.Errorf("policy %d of %d", place, len(r.policies))
		}
		if r.err != nil {
			return
		}
		o.findings = append(o.findings, finding{r.policies[place], binary.LittleEndian.Uint32(digest[:])})
	}
	if r.err == nil && len(o.findings) > 0 {
		all[id] = o
	}
}
