package kustomize

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"slices"
	"sync"

	k8sjson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/api/resource"
	"sigs.k8s.io/kustomize/kyaml/openapi"

	"github.com/assay-gitops/assay/policy"
)

// Options of Build.
type Options struct {
	// Root is the absolute folder that all locations are relative to.
	Root string
	// AllowNetwork lets kustomize fetch remote bases.
	AllowNetwork bool
	// MaxFileBytes bounds what is read of one file; DefaultMaxFileBytes when zero.
	MaxFileBytes int64
}

// DefaultMaxFileBytes bounds what is read of one file.
const DefaultMaxFileBytes = 32 << 20

// Result of Build.
type Result struct {
	Objects []*policy.Object
	// Files are the absolute paths of the files that were read.
	Files []string
	// Problems are why the kustomization could not be built; there are no objects then.
	Problems []policy.Problem
}

// Build builds the kustomization in a folder.
func Build(ctx context.Context, dir string, options Options) Result {
	if options.MaxFileBytes == 0 {
		options.MaxFileBytes = DefaultMaxFileBytes
	}
	t, dir := newTree(options.Root, dir, options.MaxFileBytes)
	problems := t.verify(dir, options.AllowNetwork)
	if len(problems) > 0 || ctx.Err() != nil {
		return Result{Files: t.files.paths(), Problems: problems}
	}
	objects, err := t.build(dir)
	if err != nil {
		return Result{Files: t.files.paths(), Problems: t.explain(dir, err)}
	}
	return Result{Objects: objects, Files: t.files.paths()}
}

// References are the absolute folders of the kustomizations that one includes directly: bases and components.
func References(dir string) ([]string, error) {
	t, dir := newTree(dir, dir, DefaultMaxFileBytes)
	l, err := t.layer(dir)
	if err != nil {
		return nil, err
	}
	var dirs []string
	for _, r := range l.includes() {
		if abs := l.abs(r.value); t.files.IsDir(abs) {
			dirs = append(dirs, abs)
		}
	}
	return dirs, nil
}

// newTree makes a tree for a kustomization, and returns the real path of its folder: kustomize speaks of files by theirs.
func newTree(root, dir string, maxFileBytes int64) (*tree, string) {
	real := func(path string) string {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			return real
		}
		return filepath.Clean(path)
	}
	dir = real(dir)
	return &tree{root: real(root), files: newFiles(dir, maxFileBytes), layers: map[string]*layer{}}, dir
}

// kustomizing guards what kustomize keeps in package variables: the OpenAPI schema, which every build sets anew, and the
// standard error that it writes notices about deprecated fields to.
var kustomizing sync.Mutex

// build runs kustomize. Whatever strangers' files make it do must not end the process.
func (t *tree) build(dir string) (objects []*policy.Object, err error) {
	kustomizing.Lock()
	defer kustomizing.Unlock()
	defer func() {
		if p := recover(); p != nil {
			objects, err = nil, fmt.Errorf("kustomize panicked: %v", p)
		}
	}()
	defer quiet()()
	if t.changesSchema() {
		// What one kustomization says about the schema would hold for all that are built after it.
		defer openapi.ResetOpenAPI()
	}
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(t.files, dir)
	if err != nil {
		return nil, err
	}
	return t.objects(dir, built)
}

// changesSchema tells whether the build may change the schema, which is kept in package variables. What is remote is not known.
func (t *tree) changesSchema() bool {
	for _, l := range t.layers {
		if len(l.spec.OpenAPI) > 0 || slices.ContainsFunc(l.includes(), func(r reference) bool { return isRemote(r.value) }) {
			return true
		}
	}
	return false
}

// quiet keeps kustomize from writing notices into our output. The function that it returns undoes that.
func quiet() (undo func()) {
	stderr, logs := os.Stderr, log.Writer()
	log.SetOutput(io.Discard)
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return func() { log.SetOutput(logs) }
	}
	os.Stderr = null
	return func() {
		os.Stderr = stderr
		log.SetOutput(logs)
		null.Close()
	}
}

func (t *tree) objects(dir string, built resmap.ResMap) ([]*policy.Object, error) {
	top, err := t.layer(dir)
	if err != nil {
		return nil, err
	}
	keep := asksForOrigins(&top.spec)
	objects := make([]*policy.Object, 0, built.Size())
	for _, r := range built.Resources() {
		origin, err := r.GetOrigin()
		if err != nil {
			return nil, fmt.Errorf("reading where %s came from: %w", r.CurId(), err)
		}
		if !keep {
			// Kustomize would have taken the annotation off itself, had it not been asked for here.
			if err := r.SetOrigin(nil); err != nil {
				return nil, fmt.Errorf("cleaning %s: %w", r.CurId(), err)
			}
		}
		content, err := contentOf(r)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", r.CurId(), err)
		}
		objects = append(objects, &policy.Object{Content: content, Origin: &Origin{
			tree: t, top: top, content: content, from: origin,
		}})
	}
	return objects, nil
}

// contentOf is the resource as JSON values, with whole numbers as int64.
func contentOf(r *resource.Resource) (map[string]any, error) {
	b, err := r.MarshalJSON()
	if err != nil {
		return nil, err
	}
	var content map[string]any
	if err := k8sjson.Unmarshal(b, &content); err != nil {
		return nil, err
	}
	return content, nil
}
