package search

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/assay-gitops/assay/internal/hub/store"
	"github.com/assay-gitops/assay/internal/hub/store/storetest"
	"github.com/assay-gitops/assay/internal/sink"
)

// addresses of memory.
var addresses = regexp.MustCompile(`0x[0-9a-f]+`)

// FuzzWords compares what a server does with runs of characters with looking for the text in the texts.
func FuzzWords(f *testing.F) {
	f.Add("Replicas in deployment web (1 occurrences)", "web", "t web (1")
	f.Add("aaaa", "aa", "aaaa")
	f.Add("a b", "b", " ")
	f.Add("\x7f\ue000\t\n", "x", "\t\n")
	f.Add("日本語", "İ", "本")
	f.Fuzz(func(t *testing.T, message, name, text string) {
		// What is kept was JSON, where all is valid.
		message, name, text = strings.ToValidUTF8(message, "\uFFFD"), strings.ToValidUTF8(name, "\uFFFD"), strings.ToValidUTF8(text, "\uFFFD")
		if text == "" || strings.ContainsFunc(message+name+text, func(r rune) bool { return r >= moved }) {
			return
		}
		folded := strings.ToLower(text)
		want := strings.Contains(strings.ToLower(message), folded) || strings.Contains(strings.ToLower(name), folded)
		if got := matches(strings.Fields(wordsOf(message, name)), hasText(text)); got != want {
			t.Errorf("%q in %q, %q: %t", text, message, name, got)
		}
	})
}

// matches does what a server does.
func matches(tokens []string, query object) bool {
	if prefix, is := query["prefix"].(object); is {
		begin := prefix["words"].(object)["value"].(string)
		return slices.ContainsFunc(tokens, func(token string) bool { return strings.HasPrefix(token, begin) })
	}
	phrase := strings.Fields(query["match_phrase"].(object)["words"].(string))
	for i := range tokens {
		if i+len(phrase) <= len(tokens) && slices.Equal(tokens[i:i+len(phrase)], phrase) {
			return true
		}
	}
	return false
}

func TestTicksAreTheSameAfterwards(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same each time
	for range 200 {
		want := ticks{}
		for range random.IntN(20) {
			want[tick{random.Int32N(84_000), store.Tick(1 + random.IntN(4))}] = 1 + random.Uint32N(1<<(1+random.IntN(31)))
		}
		if got := decodeTicks(want.encode()); !maps.Equal(got, want) {
			t.Fatalf("%v becomes %v", want, got)
		}
	}
}

// What strangers send is long, and full of what means something elsewhere.
func TestWhatIsStrangeIsKeptAndFound(t *testing.T) {
	onEach(t, func(t *testing.T, address string) {
		s := open(t, address, newPrefix())
		everything := store.Scope{All: true}
		long := strings.Repeat("längs ", 10_000)
		strange := `*?\"{}[]()<>~^:/|&!+-= AND NOT _exists_ \u0000`
		r := storetest.Result(strings.Repeat("i", 40_000), func(r *sink.Result) {
			r.Workspace, r.Validation.Entity.Name = long, strange
			r.Validation.Message = strings.Repeat("begin ", 20_000) + "the end"
			r.Validation.Policy.Standards[0].Controls = []string{long}
			r.App.Name = long
		})
		if n, err := s.Add(t.Context(), long+"cluster", []*sink.Result{r, storetest.Result("plain")}); err != nil || n != 2 {
			t.Fatal(n, err)
		}
		utf8 := strings.Repeat("ä", store.MaxText/2)
		for text, want := range map[string]int{strange: 1, "*": 1, "?": 1, `\"{}`: 1, "{": 1, "begin begin": 1, "we*": 0, "w?b": 0, ".*": 0, utf8: 0, "ä": 0, "\x00": 0, "_all": 0} {
			list, err := s.Violations(t.Context(), store.Query{Scope: everything, Text: text}, store.Page{Order: store.ByLastSeen, Limit: 10})
			if err != nil || len(list.Items) != want {
				t.Errorf("%q is found in %d: %v", text, len(list.Items), err)
			}
		}
		for name, q := range map[string]store.Query{
			"cluster": {Clusters: []string{long + "cluster"}, Names: []string{strange}}, "workspace": {Workspaces: []string{long}},
			"control": {Controls: []string{"soc2/" + long}}, "app": {Apps: []string{"Kustomization/flux-system/" + long}},
		} {
			q.Scope = everything
			list, err := s.Violations(t.Context(), q, store.Page{Order: store.ByObject, Limit: 10})
			if err != nil || len(list.Items) != 1 || list.Items[0].Workspace != long {
				t.Errorf("by %s %d are found: %v", name, len(list.Items), err)
			}
		}
		scope := store.Scope{Namespaces: map[string][]string{long + "cluster": {"shop"}, long: {"shop"}}}
		if v, err := s.Violation(t.Context(), scope, storetest.IDOf(long+"cluster", r)); err != nil || v.Document.Validation.Message != r.Validation.Message {
			t.Errorf("%v", err)
		}
		if list, err := s.Violations(t.Context(), store.Query{Scope: scope}, store.Page{Order: store.ByObject, Limit: 1}); err != nil || len(list.Items) != 1 || list.Next == "" {
			t.Errorf("%d, %v", len(list.Items), err)
		}
		history, err := s.History(t.Context(), everything, storetest.IDOf(long+"cluster", r), 5)
		if err != nil || len(history) != 1 || history[0].ResultID != r.Validation.ID {
			t.Errorf("%d, %v", len(history), err)
		}
	})
}

func TestManyPlacesCanBeSeen(t *testing.T) {
	onEach(t, func(t *testing.T, address string) {
		s := open(t, address, newPrefix())
		if _, err := s.Add(t.Context(), "cluster-4999", []*sink.Result{storetest.Result("a")}); err != nil {
			t.Fatal(err)
		}
		scope := store.Scope{Namespaces: map[string][]string{}}
		for i := range 5000 {
			cluster := fmt.Sprint("cluster-", i)
			for n := range 14 {
				scope.Namespaces[cluster] = append(scope.Namespaces[cluster], fmt.Sprint("namespace-", n))
			}
		}
		scope.Namespaces["cluster-4999"] = append(scope.Namespaces["cluster-4999"], "shop")
		facets, err := s.Facets(t.Context(), store.Query{Scope: scope}, []store.Dimension{store.Clusters}, 10)
		if err != nil || len(facets[store.Clusters]) != 1 {
			t.Errorf("%v, %v", facets, err)
		}
	})
}

func TestAResultThatIsTooLargeIsRefused(t *testing.T) {
	onEach(t, func(t *testing.T, address string) {
		s := open(t, address, newPrefix())
		noise := rand.NewChaCha8([32]byte{})
		large := func(size int) *sink.Result {
			raw := make([]byte, size)
			_, _ = noise.Read(raw)
			return storetest.Result("large", func(r *sink.Result) { r.Validation.Entity.Manifest["noise"] = fmt.Sprintf("%x", raw) })
		}
		if _, err := s.Add(t.Context(), "one", []*sink.Result{large(maxResult)}); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%v", err)
		}
		// Together they are more than a request.
		for i := range 4 {
			r := large(maxResult * 2 / 5)
			r.Validation.ID = fmt.Sprint(i)
			r.Validation.Entity.Name = fmt.Sprint(i)
			if _, err := s.Add(t.Context(), "one", []*sink.Result{r, storetest.Result("plain")}); err != nil {
				t.Fatal(err)
			}
			v, err := s.Violation(t.Context(), store.Scope{All: true}, storetest.IDOf("one", r))
			if err != nil || !bytes.Equal([]byte(v.Document.Validation.Entity.Manifest["noise"].(string)), []byte(r.Validation.Entity.Manifest["noise"].(string))) {
				t.Errorf("%v", err)
			}
		}
	})
}
