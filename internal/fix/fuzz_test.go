package fix

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/assay-gitops/assay/policy"
)

// What policies recommend may be anything, as may the object be: nothing panics, what is given stays what it is, doing it
// again changes nothing, and the patch makes what was made.
func FuzzObject(f *testing.F) {
	for _, content := range []string{
		`{"kind":"Pod","metadata":{"name":"x","labels":{"a.b":"c"}},"spec":{"containers":[{"name":"a","args":[1,2.5]}]}}`,
		`{"kind":"CronJob","spec":{"jobTemplate":{"spec":{"template":{"spec":{"containers":[{}]}}}}},"a":{"b":{"c":1}},"a.b":{"c":null}}`,
		`{"metadata":{"labels":"none"},"a":[[1],[{"b":[]}]],"":{"":1}}`,
	} {
		for _, recommended := range []string{
			`[["a","spec.containers[0].image","x"],["b","spec.containers[0]",{"name":"y"}],["b","spec.containers[1]",{"z":[]}]]`,
			`[["b","a.b.c",2],["a","a.b",{"c":3,"d":4}],["c","a",7],["a","[\"a.b\"].c.d",9007199254740993]]`,
			`[["a","spec.template.spec.x.y",true],["b","metadata.labels.a.b/c","x"],["c","metadata.labels",{"q":"r"}]]`,
			`[["a","a[0][1]",1],["b","a[0]",[]],["c","a[1][0].b[0]",{}],["d","a[2]","x"],["d","a[99]","x"]]`,
		} {
			f.Add([]byte(content), []byte(recommended))
		}
	}
	f.Fuzz(func(t *testing.T, content, recommended []byte) {
		var given map[string]any
		var wanted [][3]any
		decoder := json.NewDecoder(bytes.NewReader(recommended))
		decoder.UseNumber()
		if len(content) > 4096 || json.Unmarshal(content, &given) != nil || given == nil || decoder.Decode(&wanted) != nil {
			t.Skip()
		}
		given = objectOfJSON(t, content)
		var results []policy.Result
		for _, w := range wanted {
			results = append(results, mutating(fmt.Sprint(w[0]), at(fmt.Sprint(w[1]), w[2])))
		}
		changed, applied, skipped := Object(given, results)
		if !reflect.DeepEqual(given, objectOfJSON(t, content)) {
			t.Fatal("the object that was given has changed")
		}
		if len(applied)+len(skipped) > len(wanted) {
			t.Errorf("%d recommended, %d applied, %d skipped", len(wanted), len(applied), len(skipped))
		}
		if len(applied) == 0 && !equal(changed, given) {
			t.Errorf("nothing was applied, but %v became %v", given, changed)
		}
		if again, more, left := Object(given, results); !reflect.DeepEqual(again, changed) || len(more) != len(applied) || len(left) != len(skipped) {
			t.Errorf("first  %v\nsecond %v", changed, again)
		}
		// A path that leads nowhere at first may lead into a key with dots that another path has made. Policies that say
		// a.b and ["a.b"] of one object are not worth a rule.
		if len(skipped) == 0 || !anyKey(changed, dotted) {
			checkAgain(t, changed, results)
		}
		checkPatch(t, given, changed)
	})
}

func dotted(key string) bool { return strings.Contains(key, ".") && key != MutatedLabel }

// anyKey tells whether there is a key like that, at any depth.
func anyKey(value any, like func(string) bool) bool {
	switch v := value.(type) {
	case map[string]any:
		for key, field := range v {
			if like(key) || anyKey(field, like) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, func(element any) bool { return anyKey(element, like) })
	}
	return false
}

func FuzzPatch(f *testing.F) {
	f.Add([]byte(`{"a":[1,{"b":2}],"c/d~e":null}`), []byte(`{"a":[{"b":2.5}],"":""}`))
	f.Fuzz(func(t *testing.T, before, after []byte) {
		var b, a map[string]any
		if json.Unmarshal(before, &b) != nil || json.Unmarshal(after, &a) != nil || b == nil || a == nil {
			t.Skip()
		}
		// The library takes the parts of //a for those of /a. Object refuses such paths.
		if empty := func(key string) bool { return key == "" }; anyKey(b, empty) || anyKey(a, empty) {
			t.Skip()
		}
		checkPatch(t, objectOfJSON(t, before), objectOfJSON(t, after))
	})
}
