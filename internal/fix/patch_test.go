package fix

import (
	"bytes"
	"encoding/json"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
)

// checkPatch demands that the patch makes after of before in the hands of the library that the API server uses.
func checkPatch(t testing.TB, before, after map[string]any) {
	t.Helper()
	patch, err := Patch(before, after)
	if err != nil {
		t.Fatal(err)
	}
	if (patch == nil) != equal(before, after) {
		t.Fatalf("the patch from %v to %v is %s", before, after, patch)
	}
	if patch == nil {
		return
	}
	asJSON, err := json.Marshal(before)
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := jsonpatch.DecodePatch(patch)
	if err != nil {
		t.Fatalf("%s: %v", patch, err)
	}
	patched, err := decoded.Apply(asJSON)
	if err != nil {
		t.Fatalf("%s: %v", patch, err)
	}
	if got := objectOfJSON(t, patched); !equal(got, after) {
		t.Errorf("%s\nmakes %v\nof    %v\nwant  %v", patch, got, before, after)
	}
	if again, _ := Patch(before, after); !bytes.Equal(again, patch) {
		t.Errorf("first  %s\nsecond %s", patch, again)
	}
}

func TestPatch(t *testing.T) {
	tests := map[string]struct{ before, after, want string }{
		"nothing":                       {`{"a":1,"b":[1,{"c":null}]}`, `{"a":1.0,"b":[1,{"c":null}]}`, ``},
		"a value":                       {`{"a":1}`, `{"a":2}`, `[{"op":"replace","path":"/a","value":2}]`},
		"a field more":                  {`{}`, `{"b":{"c":[1]},"a":""}`, `[{"op":"add","path":"/a","value":""},{"op":"add","path":"/b","value":{"c":[1]}}]`},
		"a field less":                  {`{"a":1,"b":2}`, `{"a":1}`, `[{"op":"remove","path":"/b"}]`},
		"deep":                          {`{"a":{"b":[{"c":1},{"c":2}]}}`, `{"a":{"b":[{"c":1},{"c":3}]}}`, `[{"op":"replace","path":"/a/b/1/c","value":3}]`},
		"null is something":             {`{"a":null}`, `{"b":null}`, `[{"op":"remove","path":"/a"},{"op":"add","path":"/b","value":null}]`},
		"to null":                       {`{"a":1}`, `{"a":null}`, `[{"op":"replace","path":"/a","value":null}]`},
		"false and 0":                   {`{"a":true,"b":1}`, `{"a":false,"b":0}`, `[{"op":"replace","path":"/a","value":false},{"op":"replace","path":"/b","value":0}]`},
		"another type":                  {`{"a":[1]}`, `{"a":{"b":1}}`, `[{"op":"replace","path":"/a","value":{"b":1}}]`},
		"text and number":               {`{"a":"1"}`, `{"a":1}`, `[{"op":"replace","path":"/a","value":1}]`},
		"elements more":                 {`{"a":[1]}`, `{"a":[1,2,3]}`, `[{"op":"add","path":"/a/1","value":2},{"op":"add","path":"/a/2","value":3}]`},
		"elements less":                 {`{"a":[1,2,3]}`, `{"a":[4]}`, `[{"op":"replace","path":"/a/0","value":4},{"op":"remove","path":"/a/2"},{"op":"remove","path":"/a/1"}]`},
		"keys of pointers":              {`{}`, `{"a/b~c":1}`, `[{"op":"add","path":"/a~1b~0c","value":1}]`},
		"the empty key":                 {`{"":1}`, `{"":2}`, `[{"op":"replace","path":"/","value":2}]`},
		"numbers that float64 has not":  {`{"a":9007199254740992}`, `{"a":9007199254740993}`, `[{"op":"replace","path":"/a","value":9007199254740993}]`},
		"numbers with a fraction":       {`{"a":1.1}`, `{"a":1.10,"b":1.10}`, `[{"op":"add","path":"/b","value":1.1}]`},
		"a number and its neighbour":    {`{"a":9007199254740993}`, `{"a":9007199254740992.0}`, `[{"op":"replace","path":"/a","value":9007199254740992}]`},
		"characters that HTML must not": {`{}`, `{"a":"<&>"}`, `[{"op":"add","path":"/a","value":"<&>"}]`},
	}
	for what, test := range tests {
		t.Run(what, func(t *testing.T) {
			before, after := objectOfJSON(t, []byte(test.before)), objectOfJSON(t, []byte(test.after))
			got, err := Patch(before, after)
			if err != nil || string(got) != test.want || (got == nil) != (test.want == "") {
				t.Errorf("got  %s, error %v\nwant %s", got, err, test.want)
			}
			checkPatch(t, before, after)
			checkPatch(t, after, before)
		})
	}
}

func TestWhatIsNoJSONMakesNoPatch(t *testing.T) {
	if patch, err := Patch(map[string]any{}, map[string]any{"a": func() {}}); err == nil {
		t.Errorf("got %s", patch)
	}
}
