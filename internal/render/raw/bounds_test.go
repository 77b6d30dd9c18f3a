package raw

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/assay-gitops/assay/policy"
)

// TestHostileInputEndsSoon reads what is made to blow a reader up. The limit is far above what each takes, and far below
// what each would take if nothing bounded it.
func TestHostileInputEndsSoon(t *testing.T) {
	const head = "apiVersion: v1\nkind: X\n"
	const mega = 1 << 20
	laughs := "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
	for c := 'b'; c <= 'k'; c++ {
		laughs += fmt.Sprintf("%c: &%c [%s]\n", c, c, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*%c, ", c-1), 10), ", "))
	}
	// One that stays below the limit of a document, in as many documents as fit.
	small := head + "a: &a [" + strings.Repeat("x, ", 200) + "]\nb: &b [" + strings.Repeat("*a, ", 200) + "]\n---\n"
	for _, test := range []struct {
		name, content string
		problem       string // part of the message of the first problem; "" when there is none
	}{
		{"aliases of aliases", head + laughs, "aliases stand for more than"},
		{"aliases of aliases that are merged", head + "a: &a {x: {y: z}}\n" + merges(24), "aliases stand for more than"},
		{"aliases in thousands of documents", strings.Repeat(small, 2000), "aliases stand for more than"},
		{"lists in lists", head + "a: " + strings.Repeat("[", mega) + strings.Repeat("]", mega), "exceeded max depth"},
		{"maps in maps", head + nested(3000), "nested deeper than"},
		{"dashes", head + "a:\n" + strings.Repeat("- ", mega), "exceeded max depth"},
		{"lists in lists of JSON", `{"apiVersion": "v1", "kind": "X", "a": ` + strings.Repeat("[", mega) + strings.Repeat("]", mega) + "}", ""},
		{"maps in maps of JSON", `{"apiVersion": "v1", "kind": "X", "a": ` + strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000) + "}", "nested deeper than"},
		{"lists of lists", strings.Repeat("{apiVersion: v1, kind: List, items: [", 500) + strings.Repeat("]}", 500), "lists are nested deeper"},
		{"separators", strings.Repeat("---\n", 4*mega), ""},
		{"documents", strings.Repeat("a\n---\n", 150_000), "more than 100000 documents"},
		{"JSON values", strings.Repeat("{}", 150_000), "more than 100000 documents"},
		{"a quote that never ends", head + "a: \"" + strings.Repeat("x\n", mega), "a quote is opened here"},
		{"a key that never ends", head + strings.Repeat("x", 8*mega), "a key without a colon"},
		{"questions", head + strings.Repeat("? ", mega/4), "exceeded max depth"},
		{"comments", head + strings.Repeat("#\n", 4*mega), ""},
		{"anchors", head + "a:\n" + strings.Repeat("- &a x\n", mega/4) + "- *a\n", ""},
		{"keys", head + manyKeys(200_000), ""},
		{"one key again and again", head + strings.Repeat("a: b\n", 200_000), `key "a" is already set`},
		{"brackets that never close", head + "a:\n" + strings.Repeat("- [\n", 20_000), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			start := time.Now()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			objects, problems := Parse("f.yaml", []byte(test.content))
			for _, object := range objects[:min(len(objects), 3)] {
				object.Origin.Field(policy.Path{policy.Key("a"), policy.Index(0)})
			}
			runtime.ReadMemStats(&after)
			elapsed, allocated := time.Since(start), (after.TotalAlloc-before.TotalAlloc)>>20
			t.Logf("%d KiB took %v and %d MiB: %d objects", len(test.content)>>10, elapsed.Round(time.Millisecond), allocated, len(objects))
			if allocated > 4096 {
				t.Errorf("took %v and %d MiB", elapsed, allocated)
			}
			if test.problem == "" {
				return
			}
			if len(problems) == 0 || !strings.Contains(problems[0].Message, test.problem) {
				t.Errorf("got problems %.500v, want one that says %q", problems, test.problem)
			}
		})
	}
}

func merges(levels int) string {
	var b strings.Builder
	last := "a"
	for i := range levels {
		name := fmt.Sprintf("m%d", i)
		fmt.Fprintf(&b, "%s: &%s {<<: [*%s, *%s]}\n", name, name, last, last)
		last = name
	}
	return b.String()
}

func nested(depth int) string {
	return "a: " + strings.Repeat("{a: ", depth) + "1" + strings.Repeat("}", depth) + "\n"
}

func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "k%d: v\n", i)
	}
	return b.String()
}

func TestUsualAliasesAreExpanded(t *testing.T) {
	content := "apiVersion: v1\nkind: X\nlabels: &l {a: b, c: d}\nlist:\n" + strings.Repeat("- *l\n", 2000)
	objects, problems := Parse("f.yaml", []byte(content))
	if len(objects) != 1 || len(problems) != 0 {
		t.Fatalf("got %v", problems)
	}
	if list := objects[0].Content["list"].([]any); len(list) != 2000 || list[1999].(map[string]any)["c"] != "d" {
		t.Errorf("the aliases are not expanded")
	}
}

func TestPlacesAreFoundBySeveralAtOnce(t *testing.T) {
	objects, _ := Parse("f.yaml", []byte(strings.Repeat(deployment+"---\n", 20)))
	path := policy.Path{policy.Key("spec"), policy.Key("replicas")}
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for i, object := range objects {
				want := i*(strings.Count(deployment, "\n")+1) + 10
				if got := object.Origin.Field(path)[0].Line; got != want {
					t.Errorf("object %d: line %d, want %d", i, got, want)
				}
				if i%5 == 0 {
					runtime.GC() // the trees may go at any time
				}
			}
		})
	}
	wait.Wait()
}
