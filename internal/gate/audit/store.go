package audit

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"

	"github.com/assay-gitops/assay/internal/kube/objects"
)

// RecordName is the name of the ConfigMap with the passes, in the agent's namespace: the last complete one under last, the one that
// goes on under running, both as the JSON of a Pass. Its shards, with -0 to -15 after it, have what is open.
const RecordName = "policy-agent-audit"

const (
	// shards are ConfigMaps. A change of one finding rewrites one of them.
	shards = 16
	// maxShard bounds what a shard has, compressed; a ConfigMap can have 1 MiB.
	maxShard = 900 << 10
	// maxInflated bounds what is read of a shard.
	maxInflated = 64 << 20

	lastKey, runningKey, openKey = "last", "running", "open"
)

// store keeps what is open and the passes where the next leader finds them.
type store struct {
	client    kubernetes.Interface
	namespace string
	owner     *metav1.OwnerReference
	dirty     [shards]atomic.Bool
	// record says that a pass changed.
	record atomic.Bool
	// versions are the resourceVersions of the ConfigMaps, by name; absent for those that do not exist.
	versions map[string]string
}

func (s *store) touch(id uid) { s.dirty[shardOf(id)].Store(true) }

func shardOf(id uid) int { return int(id[0]) % shards }

func shardName(i int) string { return fmt.Sprintf("%s-%d", RecordName, i) }

// stored is what is open of one resource.
type stored struct {
	resource objects.Resource
	memory   memory
}

// load reads everything.
func (s *store) load(ctx context.Context) (kinds map[schema.GroupResource]*stored, last, running *Pass, err error) {
	s.versions = map[string]string{}
	kinds = map[schema.GroupResource]*stored{}
	for i := range shards {
		c, err := s.get(ctx, shardName(i))
		if err != nil {
			return nil, nil, nil, err
		}
		if c == nil {
			continue
		}
		if err := decodeShard(c.BinaryData[openKey], kinds); err != nil {
			return nil, nil, nil, fmt.Errorf("reading ConfigMap %s: %w", shardName(i), &damaged{err})
		}
	}
	c, err := s.get(ctx, RecordName)
	if err != nil || c == nil {
		return kinds, nil, nil, err
	}
	last, lastErr := passIn(c, lastKey)
	running, runningErr := passIn(c, runningKey)
	if err := errors.Join(lastErr, runningErr); err != nil {
		return nil, nil, nil, err
	}
	return kinds, last, running, nil
}

// damaged says that a ConfigMap was read and makes no sense.
type damaged struct{ error }

func (d *damaged) Unwrap() error { return d.error }

func (s *store) get(ctx context.Context, name string) (*corev1.ConfigMap, error) {
	c, err := s.client.CoreV1().ConfigMaps(s.namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading ConfigMap %s: %w", name, err)
	}
	s.versions[name] = c.ResourceVersion
	return c, nil
}

// put writes a ConfigMap. A former leader that wakes up late does not overwrite what its successor wrote: it knows an older version.
func (s *store) put(ctx context.Context, name string, data map[string]string, binary map[string][]byte) error {
	c := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
		Name: name, Namespace: s.namespace, Labels: map[string]string{"app.kubernetes.io/managed-by": "policy-agent"}, ResourceVersion: s.versions[name],
	}, Data: data, BinaryData: binary}
	if s.owner != nil {
		c.OwnerReferences = []metav1.OwnerReference{*s.owner}
	}
	api := s.client.CoreV1().ConfigMaps(s.namespace)
	var err error
	if c.ResourceVersion == "" {
		c, err = api.Create(ctx, c, metav1.CreateOptions{FieldManager: fieldManager})
	} else {
		c, err = api.Update(ctx, c, metav1.UpdateOptions{FieldManager: fieldManager})
	}
	switch {
	case apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) || apierrors.IsNotFound(err):
		delete(s.versions, name)
		if _, getErr := s.get(ctx, name); getErr != nil {
			return getErr
		}
		return fmt.Errorf("writing ConfigMap %s, which somebody else wrote: %w", name, err)
	case err != nil:
		return fmt.Errorf("writing ConfigMap %s: %w", name, err)
	}
	s.versions[name] = c.ResourceVersion
	return nil
}

const fieldManager = "assay-audit"

// save writes what changed. What could not be written is tried again by the next call.
func (s *store) save(ctx context.Context, kinds []*kind, last, running *Pass) (left int, err error) {
	var wanted [shards]bool
	any := false
	for i := range wanted {
		wanted[i] = s.dirty[i].Swap(false)
		any = any || wanted[i]
	}
	var errs []error
	if any {
		contents := encodeShards(kinds, wanted)
		for i, content := range contents {
			if content == nil {
				continue
			}
			left += content.left
			if err := s.put(ctx, shardName(i), nil, map[string][]byte{openKey: content.bytes}); err != nil {
				s.dirty[i].Store(true)
				errs = append(errs, err)
			}
		}
	}
	if s.record.Swap(false) {
		data := map[string]string{}
		for key, pass := range map[string]*Pass{lastKey: last, runningKey: running} {
			if pass == nil {
				continue
			}
			text, err := json.Marshal(pass)
			if err != nil {
				return left, fmt.Errorf("encoding the pass: %w", err)
			}
			data[key] = string(text)
		}
		if err := s.put(ctx, RecordName, data, nil); err != nil {
			s.record.Store(true)
			errs = append(errs, err)
		}
	}
	return left, errors.Join(errs...)
}

// shardWriter writes a shard: a sequence of fields, compressed. A string is its length and its bytes; numbers are varints.
//
//	shard:  formatVersion, then kinds until the end
//	kind:   group, version, resource, kind, namespaced, number of objects, objects
//	object: uid, namespace, name, number of findings; of each the policy (its place in the shard's list of policies, one more than
//	        the last place for a new one, whose id follows) and four bytes of digest
type shardWriter struct {
	out      bytes.Buffer
	zip      *gzip.Writer
	policies map[string]uint64
	left     int
}

const formatVersion = 1

type shardContent struct {
	bytes []byte
	// left is how many objects did not fit.
	left int
}

func (w *shardWriter) number(n uint64) { _, _ = w.zip.Write(binary.AppendUvarint(nil, n)) } //nolint:errcheck // into memory

func (w *shardWriter) text(s string) {
	w.number(uint64(len(s)))
	_, _ = io.WriteString(w.zip, s) //nolint:errcheck // into memory
}

func encodeShards(kinds []*kind, wanted [shards]bool) (contents [shards]*shardContent) {
	var writers [shards]*shardWriter
	for i := range wanted {
		if wanted[i] {
			w := &shardWriter{policies: map[string]uint64{}}
			w.zip = gzip.NewWriter(&w.out)
			w.number(formatVersion)
			writers[i] = w
		}
	}
	for _, k := range kinds {
		k.encode(&writers)
	}
	for i, w := range writers {
		if w != nil {
			_ = w.zip.Close() //nolint:errcheck // into memory
			contents[i] = &shardContent{w.out.Bytes(), w.left}
		}
	}
	return contents
}

// encode writes what is open of a kind.
func (k *kind) encode(writers *[shards]*shardWriter) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var ids [shards][]uid
	for id := range k.memory.open {
		if i := shardOf(id); writers[i] != nil {
			ids[i] = append(ids[i], id)
		}
	}
	for i, some := range ids {
		w := writers[i]
		if len(some) == 0 {
			continue
		}
		w.text(k.resource.Group)
		w.text(k.resource.Version)
		w.text(k.resource.Resource)
		w.text(k.resource.Kind)
		w.number(boolNumber(k.resource.Namespaced))
		for _, id := range some {
			if w.out.Len() > maxShard {
				w.left++
				continue
			}
			w.number(1)
			w.object(id, k.memory.open[id])
		}
		w.number(0)
	}
}

func (w *shardWriter) object(id uid, o *open) {
	_, _ = w.zip.Write(id[:]) //nolint:errcheck // into memory
	w.text(o.namespace)
	w.text(o.name)
	w.number(uint64(len(o.findings)))
	for _, f := range o.findings {
		place, known := w.policies[f.policy]
		if !known {
			place = uint64(len(w.policies))
			w.policies[f.policy] = place
		}
		w.number(place)
		if !known {
			w.text(f.policy)
		}
		_, _ = w.zip.Write(binary.LittleEndian.AppendUint32(nil, f.digest)) //nolint:errcheck // into memory
	}
}

func boolNumber(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// LastPass is the last full pass that the ConfigMap of RecordName tells of; nil when it tells of none.
func LastPass(record *corev1.ConfigMap) (*Pass, error) { return passIn(record, lastKey) }

func passIn(record *corev1.ConfigMap, key string) (*Pass, error) {
	text := record.Data[key]
	if text == "" {
		return nil, nil
	}
	pass := &Pass{}
	if err := json.Unmarshal([]byte(text), pass); err != nil {
		return nil, fmt.Errorf("reading ConfigMap %s: %w", record.Name, &damaged{err})
	}
	if pass.Kinds == nil {
		pass.Kinds = map[string]KindCount{}
	}
	if pass.Policies == nil {
		pass.Policies = map[string]PolicyCount{}
	}
	return pass, nil
}
