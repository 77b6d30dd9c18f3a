package audit

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/assay-gitops/assay/internal/kube/objects"
)

func resource(group, name, kind string, namespaced bool) objects.Resource {
	return objects.Resource{GroupVersionResource: schema.GroupVersionResource{Group: group, Version: "v1", Resource: name}, Kind: kind, Namespaced: namespaced}
}

// openObjects are n objects with some of the policies each.
func openObjects(n int, namespaced bool) map[uid]*open {
	all := map[uid]*open{}
	for i := range n {
		o := &open{name: fmt.Sprint("object-", i)}
		if namespaced {
			o.namespace = fmt.Sprint("team-", i%7)
		}
		for p := range 1 + i%3 {
			o.findings = append(o.findings, finding{fmt.Sprint("policy-", (i+p)%11), uint32(i * 7919)}) //nolint:gosec // any digest
		}
		all[uidOf(fmt.Sprintf("%02x%06x-0000-4000-8000-000000000000", i%256, i))] = o
	}
	return all
}

func allShards() (wanted [shards]bool) {
	for i := range wanted {
		wanted[i] = true
	}
	return wanted
}

func TestWhatIsOpenIsKept(t *testing.T) {
	a := New(Options{})
	kinds := []*kind{
		newKind(a, resource("apps", "deployments", "Deployment", true), memory{open: openObjects(500, true)}),
		newKind(a, resource("", "namespaces", "Namespace", false), memory{open: openObjects(40, false)}),
		newKind(a, resource("", "pods", "Pod", true), newMemory()),
	}
	read := map[schema.GroupResource]*stored{}
	for i, content := range encodeShards(kinds, allShards()) {
		if content.left != 0 {
			t.Errorf("shard %d left %d out", i, content.left)
		}
		if err := decodeShard(content.bytes, read); err != nil {
			t.Fatal(err)
		}
	}
	if len(read) != 2 {
		t.Errorf("%d kinds were read, want those with findings: 2", len(read))
	}
	for _, k := range kinds[:2] {
		got := read[k.resource.GroupResource()]
		if got.resource.GroupVersionResource != k.resource.GroupVersionResource || got.resource.Kind != k.resource.Kind || got.resource.Namespaced != k.resource.Namespaced {
			t.Errorf("read %+v, want %+v", got.resource, k.resource)
		}
		if diff := cmp.Diff(k.memory.open, got.memory.open, cmp.AllowUnexported(open{}, finding{})); diff != "" {
			t.Errorf("%s: %s", k.resource, diff)
		}
	}
}

func TestOnlyShardsThatChangedAreWritten(t *testing.T) {
	k := newKind(New(Options{}), resource("", "pods", "Pod", true), memory{open: openObjects(64, true)})
	var wanted [shards]bool
	wanted[3] = true
	for i, content := range encodeShards([]*kind{k}, wanted) {
		if (content != nil) != (i == 3) {
			t.Errorf("shard %d: %v", i, content)
		}
	}
}

func TestAShardThatIsFullSaysSo(t *testing.T) {
	all := map[uid]*open{}
	for i := range 60_000 {
		// Names that do not compress.
		all[uidOf(fmt.Sprintf("00%06x-0000-4000-8000-000000000000", i))] = &open{name: strings.Repeat(idOf(fmt.Sprint(i)), 2), findings: []finding{{"p", uint32(i)}}}
	}
	k := newKind(New(Options{}), resource("", "pods", "Pod", true), memory{open: all})
	content := encodeShards([]*kind{k}, allShards())[0]
	if len(content.bytes) > 1<<20 || content.left == 0 {
		t.Fatalf("%d bytes, %d objects left out", len(content.bytes), content.left)
	}
	read := map[schema.GroupResource]*stored{}
	if err := decodeShard(content.bytes, read); err != nil {
		t.Fatal(err)
	}
	if got := len(read[k.resource.GroupResource()].memory.open); got+content.left != len(all) {
		t.Errorf("%d were read and %d left out of %d", got, content.left, len(all))
	}
}

func FuzzDecodeShard(f *testing.F) {
	k := newKind(New(Options{}), resource("apps", "deployments", "Deployment", true), memory{open: openObjects(20, true)})
	for _, content := range encodeShards([]*kind{k}, allShards()) {
		f.Add(content.bytes)
	}
	f.Add([]byte("no gzip"))
	f.Fuzz(func(t *testing.T, content []byte) {
		kinds := map[schema.GroupResource]*stored{}
		if err := decodeShard(content, kinds); err != nil && err.Error() == "" {
			t.Error("an error without words")
		}
		for _, s := range kinds {
			for id, o := range s.memory.open {
				if len(o.findings) == 0 {
					t.Errorf("%s has no findings", id)
				}
			}
		}
	})
}

func TestMemory(t *testing.T) {
	m := newMemory()
	id := uidOf("x")
	if !m.set(id, "ns", "name", finding{"a", 1}) || m.set(id, "ns", "name", finding{"a", 2}) || !m.set(id, "ns", "name", finding{"b", 3}) {
		t.Error("a finding is new once")
	}
	if d, ok := m.find(id, "a"); !ok || d != 2 {
		t.Errorf("a is %d, %t", d, ok)
	}
	if m.clear(id, "c") || !m.clear(id, "a") || m.clear(id, "a") || !m.clear(id, "b") || len(m.open) != 0 {
		t.Errorf("what is left is %v", maps.Collect(maps.All(m.open)))
	}
}

func TestUIDs(t *testing.T) {
	for _, text := range []string{"0f4dbb8a-1c1d-4a5e-9a57-3c1de1a3c0de", "00000000-0000-0000-0000-000000000000"} {
		if got := uidOf(text).String(); got != text {
			t.Errorf("%s became %s", text, got)
		}
	}
	if uidOf("metallb") == uidOf("calico") || uidOf("0F4DBB8A-1C1D-4A5E-9A57-3C1DE1A3C0DE") == uidOf("0f4dbb8a-1c1d-4a5e-9a57-3c1de1a3c0de") {
		t.Error("different uids are one")
	}
}
