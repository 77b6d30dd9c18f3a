package fold

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"reflect"
	"runtime"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/internal/weave"
)

// maxDocument is how much memory a document that is read may take, in bytes.
const maxDocument = 64 << 20

// Codec compresses documents. It is safe for concurrent use.
type Codec struct {
	encoder *zstd.Encoder
	decoder *zstd.Decoder
}

// NewCodec is for one store. It must be closed.
func NewCodec() (*Codec, error) {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(runtime.GOMAXPROCS(0)),
		zstd.WithWindowSize(256<<10), zstd.WithLowerEncoderMem(true), zstd.WithEncoderDictRaw(dictionaryID, []byte(dictionary)))
	if err != nil {
		return nil, fmt.Errorf("making the compressor: %w", err)
	}
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(maxDocument),
		zstd.WithDecoderDictRaw(dictionaryID, []byte(dictionary)))
	if err != nil {
		return nil, fmt.Errorf("making the decompressor: %w", err)
	}
	return &Codec{encoder, decoder}, nil
}

// Close gives back its memory.
func (c *Codec) Close() {
	_ = c.encoder.Close() // it writes to nothing
	c.decoder.Close()
}

// Document is a result without its policy: two values of JSON after each other, the result without its manifest and the manifest.
func (c *Codec) Document(r *sink.Result) ([]byte, error) {
	text, err := (&encoder{}).text(*r)
	if err != nil {
		return nil, err
	}
	return c.Compress(text), nil
}

// encoder writes documents, one after the other. It remembers the last manifest: results of one object share theirs.
type encoder struct {
	of       uintptr
	manifest []byte
	keys     jsonWriter
}

func (e *encoder) text(r sink.Result) ([]byte, error) {
	manifest := r.Validation.Entity.Manifest
	r.Validation.Policy, r.Validation.Entity.Manifest = weave.Policy{}, nil
	text, err := json.Marshal(&r)
	if err != nil {
		return nil, err
	}
	if of := reflect.ValueOf(manifest).Pointer(); e.manifest == nil || of != e.of {
		e.manifest, err = e.keys.append(e.manifest[:0], manifest)
		if err != nil {
			e.manifest = nil
			return nil, err
		}
		e.of = of
	}
	return append(text, e.manifest...), nil
}

// said is the text of a document without what differs in each result though it says the same: see Differs.
func (e *encoder) said(r sink.Result) ([]byte, error) {
	r.Validation.ID, r.Validation.CreatedAt, r.Pass, r.Life = "", time.Time{}, "", ""
	if r.App != nil {
		app := *r.App
		app.Revision = ""
		r.App = &app
	}
	return e.text(r)
}

// Differs is what differs in each result though it says the same.
type Differs struct {
	ID             string
	Time           time.Time
	Pass, Revision string
	Life           sink.Life
}

// Complete gives it to a result that was kept without it.
func (d *Differs) Complete(r *sink.Result) {
	r.Validation.ID, r.Validation.CreatedAt, r.Pass, r.Life = d.ID, d.Time, d.Pass, d.Life
	if r.App != nil {
		r.App.Revision = d.Revision
	}
}

// Content is a hash of what a result says, with its policy. The zero value is of none.
type Content [16]byte

func contentOf(said []byte, d *Definition) Content {
	h := sha256.New()
	// A hash takes everything.
	_, _ = h.Write(d.Hash[:])
	_, _ = h.Write(said)
	return Content(h.Sum(nil)[:16])
}

// Compress is what Decode reads.
func (c *Codec) Compress(text []byte) []byte {
	return c.encoder.EncodeAll(text, make([]byte, 0, len(text)/3))
}

// Text that was compressed; nil when it was empty.
func (c *Codec) Text(compressed []byte) ([]byte, error) { return c.decoder.DecodeAll(compressed, nil) }

// Decode reads values of JSON that were compressed. Numbers of any type stay exact.
func (c *Codec) Decode(compressed []byte, to ...any) error {
	text, err := c.Text(compressed)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	for _, value := range to {
		if err := decoder.Decode(value); err != nil {
			return err
		}
	}
	return nil
}

// Result puts a document and its policy together.
func (c *Codec) Result(document, definition []byte) (*sink.Result, error) {
	var r sink.Result
	var manifest map[string]any
	if err := c.Decode(document, &r, &manifest); err != nil {
		return nil, fmt.Errorf("decoding a document: %w", err)
	}
	r.Validation.Policy, r.Validation.Entity.Manifest = weave.Policy{}, manifest
	if err := c.Decode(definition, &r.Validation.Policy); err != nil {
		return nil, fmt.Errorf("decoding the policy of a document: %w", err)
	}
	return &r, nil
}

// dictionary is what documents look like, so that what is the same in all of them is in none. It is part of the format: another one has
// another ID, and this one stays for what was written with it.
const (
	dictionaryID = 1
	dictionary   = `"kustomize.toolkit.fluxcd.io/name":"","kustomize.toolkit.fluxcd.io/namespace":"flux-system","helm.toolkit.fluxcd.io/name":"` +
		`"app.kubernetes.io/managed-by":"Helm","app.kubernetes.io/instance":"","app.kubernetes.io/name":"","app.kubernetes.io/version":"` +
		`"creationTimestamp":"2026-11-0T0:0:00Z","generation":1,"annotations":{"deployment.kubernetes.io/revision":"1"},` +
		`"securityContext":{"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]},"runAsNonRoot":true,"readOnlyRootFilesystem":true},` +
		`"resources":{"limits":{"cpu":"100m","memory":"128Mi"},"requests":{"cpu":"100m","memory":"128Mi"}},"imagePullPolicy":"IfNotPresent","ports":[{"containerPort":8080,"protocol":"TCP"}],` +
		`"spec":{"replicas":1,"selector":{"matchLabels":{"app":""}},"template":{"metadata":{"labels":{"app":""}},"spec":{"containers":[{"image":"","name":""}]}}}` +
		`{"version":1,"gate":"admission","operation":"UPDATE","validation":{"id":"","account_id":"","cluster_id":"","policy":{"name":"","id":"","code":"","enforce":false,` +
		`"parameters":null,"targets":{"kinds":null,"labels":null,"namespaces":null},"description":"","how_to_solve":"","category":"","tags":null,"severity":"","standards":null,` +
		`"mutate":false,"exclude":{"namespaces":null,"resources":null,"labels":null}},"entity":{"id":"","name":"","apiVersion":"apps/v1","kind":"Deployment","namespace":"",` +
		`"manifest":{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"labels":{},"name":"","namespace":"","resourceVersion":"","uid":""},"spec":{}},"resource_version":"","has_parent":false},` +
		`"status":"Violation","message":" in deployment  (1 occurrences)","occurrences":[{"message":"","violating_key":"spec.template.spec.containers[0].","recommended_value":""}],` +
		`"source":"Audit","trigger":"periodic-audit","created_at":"2026-11-","metadata":null,"enforced":false},"app":{"kind":"Kustomization","name":"","namespace":"flux-system",` +
		`"revision":"main@sha1:"},"workspace":"","life":"unchanged","pass":""}`
)
